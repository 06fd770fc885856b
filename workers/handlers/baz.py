"""`baz`: a number by chance."""

from __future__ import annotations

import random

from app.task_types import TaskContext, task_type
from workers.handlers.output import say

LARGEST = 343


@task_type("baz")
def baz(_context: TaskContext, _payload: dict[str, object]) -> dict[str, str]:
    """Print `Baz <N>`, N from 0 to 343, both included."""
    return say(f"Baz {random.randint(0, LARGEST)}")  # noqa: S311  # a number to print, not a secret
