"""`fizzbuzz`: prints the current time."""

from __future__ import annotations

from datetime import UTC, datetime

from punctual import task
from workers.handlers.output import say


@task
def fizzbuzz() -> dict[str, str]:
    """Print `FizzBuzz <current time>`, RFC 3339 in UTC."""
    return say(f"FizzBuzz {datetime.now(UTC).isoformat().replace('+00:00', 'Z')}")
