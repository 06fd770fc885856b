"""Another application of RQ and rq-scheduler, in a Redis of ours: `python -m tests.integration.another_application`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis import Redis
from rq import Queue
from rq_scheduler import Scheduler

NOTE = "tests.integration.another_application.note"
NEVER = datetime.now(UTC) + timedelta(days=300)
LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


def note(file: str, word: str) -> None:
    """Append a word to a file. This is the function of the jobs."""
    with Path(file).open("a", encoding="utf-8") as words:
        words.write(f"{word}\n")


def main() -> None:
    """Enqueue one job and schedule three: one that is due, one that is not, and a periodic one."""
    url, file = sys.argv[1:]
    with Redis.from_url(url) as redis:
        Queue("default", connection=redis).enqueue(NOTE, file, "enqueued")
        scheduler = Scheduler("default", connection=redis)
        scheduler.enqueue_at(LONG_AGO, NOTE, file, "scheduled")
        scheduler.enqueue_at(NEVER, NOTE, file, "never")
        scheduler.schedule(LONG_AGO, NOTE, args=[file, "periodic"], interval=3600)


if __name__ == "__main__":
    main()
