"""`fizzbuzz`: what time it is."""

from __future__ import annotations

from datetime import UTC, datetime

from app.task_types import TaskContext, task_type
from workers.handlers.output import say


@task_type("fizzbuzz")
def fizzbuzz(_context: TaskContext, _payload: dict[str, object]) -> dict[str, str]:
    """Print `FizzBuzz <current time>`, RFC 3339 in UTC."""
    return say(f"FizzBuzz {datetime.now(UTC).isoformat().replace('+00:00', 'Z')}")
