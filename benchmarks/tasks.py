"""Create tasks for a benchmark, wait for them, and read how late they began."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

from benchmarks.service import Service
from tools.load import Load, post, send_all

TOGETHER = 1000
CONNECTIONS = 2
PATIENCE_S = 120.0
POLL_S = 0.05
END = 4e9  # seconds since 1970
LAGS = """
SELECT extract(epoch FROM started_at - execute_at)::float8 * 1000
FROM tasks
WHERE type = %s AND execute_at >= %s AND execute_at < %s AND started_at IS NOT NULL
"""
# Uses the indexes: it is executed repeatedly while tasks run, and must not read millions of final tasks.
OPEN = """
SELECT 1 FROM waiting_types() WHERE first_at < %(before)s
UNION ALL
SELECT 1 FROM tasks WHERE state = 'running' AND execute_at < %(before)s
LIMIT 1
"""


def instant(at: float) -> str:
    """Format seconds since 1970 for the API."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def create(
    service: Service, task_type: str, instants: Iterable[float], *, connections: int = CONNECTIONS, **more: object
) -> Load:
    """Create a task for each of these instants, a thousand per request."""
    requests = list(_batches(service, task_type, iter(instants), more))  # before the clock runs
    load = send_all(service.url, iter(requests), connections=connections)
    if set(load.statuses) != {201}:
        raise RuntimeError(f"the service answered {dict(load.statuses)}")
    return load


def _batches(service: Service, task_type: str, instants: Iterator[float], more: dict[str, object]) -> Iterator[bytes]:
    while some := list(islice(instants, TOGETHER)):
        tasks = [{"type": task_type, "execute_at": instant(at), **more} for at in some]
        yield post(service.url, "/tasks/batch", json.dumps({"tasks": tasks}).encode())


def wait_until_final(service: Service, before: float, patience_s: float = PATIENCE_S) -> None:
    """Wait until all tasks due before that instant are final, except those with a later attempt.

    Raises:
        TimeoutError: they were not in time.
    """
    deadline = time.monotonic() + patience_s
    with service.postgres() as connection:
        while connection.execute(OPEN, {"before": datetime.fromtimestamp(before, UTC)}).fetchone():
            if time.monotonic() > deadline:
                raise TimeoutError(f"tasks were open after {patience_s:g} s")
            time.sleep(POLL_S)


def lags_ms(service: Service, task_type: str, since: float, before: float = END) -> list[float]:
    """Return how late the tasks of a type due in that time began, by the clock of Postgres."""
    bounds = [datetime.fromtimestamp(each, UTC) for each in (since, before)]
    with service.postgres() as connection:
        rows: Sequence[tuple[object, ...]] = connection.execute(LAGS, [task_type, *bounds]).fetchall()
    return [float(lag) for (lag,) in rows if isinstance(lag, float)]


def until(at: float) -> None:
    """Sleep until that instant, in seconds since 1970."""
    time.sleep(max(0.0, at - time.time()))


def warm_up(service: Service, task_type: str, count: int = 500) -> None:
    """Run tasks, so that children have started and durations are known."""
    for _ in range(2):
        create(service, task_type, [time.time()] * count)
        wait_until_final(service, time.time() + 1)
        time.sleep(0.5)
