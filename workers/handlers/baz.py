"""`baz`: prints a random number."""

from __future__ import annotations

import random

from punctual import task
from workers.handlers.output import say

MAX_NUMBER = 343


@task
def baz() -> dict[str, str]:
    """Print `Baz <N>`, N from 0 to 343 inclusive."""
    return say(f"Baz {random.randint(0, MAX_NUMBER)}")  # noqa: S311  # a number to print, not a secret
