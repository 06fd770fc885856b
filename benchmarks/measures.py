"""The measures: create, drain, idle lag. Each returns its rows as (what, value, unit)."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.client import Client, in_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = tuple[str, float, str]

CREATE_RATE_ASSUMED = 400  # tasks/s, pessimistic: the instant must lie behind the last creation
CONNECTIONS = 16


def create_and_drain(client: Client, *, count: int, task_type: str) -> list[Row]:
    """`count` tasks due at one instant: how fast they are created, and how fast they are done."""
    at = in_seconds(count / CREATE_RATE_ASSUMED)
    began = time.perf_counter()
    client.create_many(count, task_type, at=at, connections=CONNECTIONS)
    created_s = time.perf_counter() - began
    if datetime.now(UTC) >= at:
        raise TimeoutError(f"creating {count} tasks took longer than {count / CREATE_RATE_ASSUMED:.0f} s")
    time.sleep((at - datetime.now(UTC)).total_seconds())
    while client.open_at(at):
        time.sleep(0.2)
    tasks = client.tasks_at(at)
    last_s = max(datetime.fromisoformat(task["finished_at"]) for task in tasks).timestamp() - at.timestamp()
    lags = sorted(task["lag_ms"] for task in tasks)
    return [
        (f"create {task_type}, {CONNECTIONS} connections, client on the same cores", count / created_s, "/s"),
        (f"drain {len(tasks)} {task_type} due at one instant, until the last is final", last_s, "s"),
        ("  per second", len(tasks) / last_s, "/s"),
        ("  first start to last start", lags[-1] - lags[0], "ms"),
        ("  started early", sum(lag < 0 for lag in lags), "tasks"),
        (
            "  not succeeded, or begun twice",
            sum(t["state"] != "succeeded" or t["attempt"] != 1 for t in tasks),
            "tasks",
        ),
    ]


def idle_lag(client: Client, *, samples: int, ahead_s: float) -> list[Row]:
    """One task at a time on an idle system: how late it starts."""
    lags = []
    for number in range(samples):
        task = client.create("baz", delay_s=ahead_s)
        lags.append(client.show(task["id"], wait_s=int(ahead_s) + 10)["lag_ms"])
        time.sleep(number % 10 / 100)  # not always at the same distance to whatever has a period
    return _lag_rows(f"idle lag of {samples} tasks, each created {ahead_s:g} s ahead", lags)


def _lag_rows(title: str, lags: Sequence[float]) -> list[Row]:
    return [
        (f"{title}: p50", statistics.median(lags), "ms"),
        ("  worst", max(lags), "ms"),
        ("  started early", sum(lag < 0 for lag in lags), "tasks"),
    ]
