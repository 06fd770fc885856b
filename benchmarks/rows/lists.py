"""`GET /tasks` with every documented filter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from urllib.parse import quote

from psycopg.rows import kwargs_row

from app.ledger.listing import Filter, cursor_after
from app.ledger.statements import TASK_COLUMNS
from app.task import Task
from benchmarks.result import percentile
from benchmarks.service import Service
from tools.load import get, send_all

STATES = ("", "state=scheduled", "state=running", "state=succeeded", "state=failed", "state=cancelled", "state=deleted",
          "state=scheduled,running", "state=failed,succeeded")  # fmt: skip
TYPES = ("", "type=bench", "type=foo", "type=nap", "type=bench,foo")
WINDOWS = ("", "since={past}", "until={past}", "since={past}&until={later}", "since={future}")
ORDERS = ("", "order=-execute_at")
TIMES = {"past": "2026-06-01T00:00:00Z", "later": "2026-06-01T01:00:00Z", "future": "2035-01-01T00:00:00Z"}
DIGITS = (8, 12, 32)
AGAIN, SLOWEST = 3, 4
MIDDLE_OF = {"succeeded": -14, "scheduled": 90}  # days from now
# In the middle of final tasks, and in the middle of waiting ones.
MIDDLE = f"""
SELECT {TASK_COLUMNS}
FROM tasks
WHERE state = %s AND type = 'bench' AND execute_at > now() + make_interval(days => %s)
  AND state <> 'running' AND (state <> 'scheduled' OR next_attempt_at IS NULL)
LIMIT 1
"""


def listing(service: Service) -> dict[str, float]:
    """Measure the p95 and the maximum over all combinations of filters; prefixes of ids separately."""
    tasks = list(_middle(service))
    rest, ids = _ask(service, [*_combinations(), *_pages(tasks)]), _ask(service, _beginnings(tasks))
    return {
        "p95 ms": percentile(rest, 0.95) * 1000,
        "worst ms": max(rest) * 1000,
        "ids p95 ms": percentile(ids, 0.95) * 1000,
        "ids worst ms": max(ids) * 1000,
    }


def _ask(service: Service, queries: Iterable[str]) -> list[float]:
    """Return how long each request median_ms, in seconds; print the slowest."""
    median_ms: dict[str, float] = {}
    latencies: list[float] = []
    for query in queries:
        load = send_all(service.url, iter([get(service.url, f"/tasks?{query}")] * AGAIN), connections=1)
        if set(load.statuses) != {200}:
            raise RuntimeError(f"{query}: {dict(load.statuses)}")
        latencies += load.latencies_s
        median_ms[query] = load.percentile_ms(0.5)
    for query in sorted(median_ms, key=median_ms.__getitem__)[: -SLOWEST - 1 : -1]:
        print(f"  slow: {median_ms[query]:.1f} ms, {query}")
    return latencies or [0.0]


def _combinations() -> Iterator[str]:
    for parts in product(STATES, TYPES, WINDOWS, ORDERS):
        yield "&".join(part for part in ("limit=100", *parts) if part).format(**TIMES)


def _pages(tasks: Sequence[Task]) -> Iterator[str]:
    """Yield large pages, and cursors deep in a list."""
    for order, limit in product(ORDERS, (100, 1000)):
        yield f"limit={limit}&{order}"
        for task in tasks:
            yield f"limit={limit}&{order}&cursor={quote(cursor_after(task, Filter(latest_first=bool(order))))}"


def _beginnings(tasks: Sequence[Task]) -> Iterator[str]:
    for task, order, limit, state, digits in product(tasks, ORDERS, (100, 1000), ("", "state=failed"), DIGITS):
        yield f"limit={limit}&{order}&{state}&q={task.id.hex[:digits]}"


def _middle(service: Service) -> Iterator[Task]:
    with service.postgres() as connection:
        for state, days in MIDDLE_OF.items():
            yield from connection.cursor(row_factory=kwargs_row(Task.from_row)).execute(MIDDLE, [state, days])
