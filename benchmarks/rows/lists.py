"""`GET /tasks` with every documented filter."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING
from urllib.parse import quote

from app.ledger.listing import Filter, cursor_after
from app.ledger.tasks import as_task
from benchmarks.load import get, send_all
from benchmarks.result import percentile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.task import Task
    from benchmarks.service import Service

STATES = ("", "state=scheduled", "state=running", "state=succeeded", "state=failed", "state=cancelled", "state=deleted",
          "state=scheduled,running", "state=failed,succeeded")  # fmt: skip
TYPES = ("", "type=bench", "type=foo", "type=nap", "type=bench,foo")
WINDOWS = ("", "since={past}", "until={past}", "since={past}&until={later}", "since={future}")
ORDERS = ("", "order=-execute_at")
TIMES = {"past": "2026-06-01T00:00:00Z", "later": "2026-06-01T01:00:00Z", "future": "2035-01-01T00:00:00Z"}
PREFIXES = (4, 5, 6, 8, 12, 32)
AGAIN = 3
# In the midst of what is over, and of what waits.
MIDST = """
SELECT id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at, started_at,
       finished_at, deleted_at, lag_ms, worker_id, result, error
FROM tasks
WHERE state = %s AND type = 'bench' AND {place} > now() + make_interval(days => %s)
ORDER BY {place}, id
LIMIT 1
"""


def listing(service: Service) -> dict[str, float]:
    """The p95 over all combinations, and the slowest of them."""
    took: dict[str, float] = {}
    latencies: list[float] = []
    for query in (*_combinations(), *_from_the_midst(service)):
        load = send_all(service.url, iter([get(service.url, f"/tasks?{query}")] * AGAIN), connections=1)
        if set(load.statuses) != {200}:
            raise RuntimeError(f"{query}: {dict(load.statuses)}")
        latencies += load.latencies_s
        took[query] = load.percentile_ms(0.5)
    for query in sorted(took, key=took.__getitem__)[:-6:-1]:
        print(f"  slow: {took[query]:.1f} ms, {query}")
    return {"p95 ms": percentile(latencies, 0.95) * 1000, "worst ms": max(latencies) * 1000}


def _combinations() -> Iterator[str]:
    for parts in product(STATES, TYPES, WINDOWS, ORDERS):
        yield "&".join(part for part in ("limit=100", *parts) if part).format(**TIMES)


def _from_the_midst(service: Service) -> Iterator[str]:
    """Large pages, cursors deep in a list, beginnings of ids."""
    found = [_midst(service, "succeeded", "execute_at", -14), _midst(service, "scheduled", "execute_at", 90)]
    for task, order, limit in product(filter(None, found), ORDERS, (100, 1000)):
        yield f"limit={limit}&{order}"
        cursor = quote(cursor_after(task, Filter(latest_first=bool(order))))
        yield f"limit={limit}&{order}&cursor={cursor}"
        for digits, state in product(PREFIXES, ("", "&state=failed")):
            yield f"limit={limit}&{order}&q={task.id.hex[:digits]}{state}"


def _midst(service: Service, state: str, place: str, days: int) -> Task | None:
    with service.postgres() as connection:
        row = connection.execute(MIDST.format(place=place).encode(), [state, days]).fetchone()
    return row and as_task(row)
