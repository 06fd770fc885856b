"""`baz`: a number by chance."""

from __future__ import annotations

import random

from punctual import task
from workers.handlers.output import say

LARGEST = 343


@task
def baz() -> dict[str, str]:
    """Print `Baz <N>`, N from 0 to 343, both included."""
    return say(f"Baz {random.randint(0, LARGEST)}")  # noqa: S311  # a number to print, not a secret
