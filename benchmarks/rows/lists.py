"""`GET /tasks` with every documented filter."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from benchmarks.load import get, send_all
from benchmarks.result import percentile

if TYPE_CHECKING:
    from benchmarks.service import Service

STATES = ("", "state=scheduled", "state=running", "state=succeeded", "state=failed", "state=deleted",
          "state=scheduled,running", "state=failed,succeeded")  # fmt: skip
TYPES = ("", "type=bench", "type=foo", "type=bench,foo")
WINDOWS = ("", "since={past}", "until={past}", "since={past}&until={later}", "since={future}")
ORDERS = ("", "order=-execute_at")
TIMES = {"past": "2026-06-01T00:00:00Z", "later": "2026-06-01T01:00:00Z", "future": "2035-01-01T00:00:00Z"}
AGAIN = 3


def listing(service: Service) -> dict[str, float]:
    """The p95 over all combinations, and the slowest of them."""
    took: dict[str, float] = {}
    latencies: list[float] = []
    for parts in product(STATES, TYPES, WINDOWS, ORDERS):
        query = "&".join(part for part in parts if part).format(**TIMES)
        load = send_all(service.url, iter([get(service.url, f"/tasks?limit=100&{query}")] * AGAIN), connections=1)
        if set(load.statuses) != {200}:
            raise RuntimeError(f"{query}: {dict(load.statuses)}")
        latencies += load.latencies_s
        took[query] = load.percentile_ms(0.5)
    slowest = max(took, key=took.__getitem__)
    print(f"  slowest: {slowest or 'no filter'}, {took[slowest]:.1f} ms")
    return {"p95 ms": percentile(latencies, 0.95) * 1000, "worst ms": max(latencies) * 1000}
