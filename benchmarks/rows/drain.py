"""Many tasks due at one instant."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.tasks import create, lags_ms, until, wait_until_final

if TYPE_CHECKING:
    from benchmarks.service import Service

SLOWEST_CREATION = 10_000  # tasks/s: the instant must lie behind the last creation


def drain(service: Service, task_type: str, *, count: int) -> dict[str, float]:
    """`count` tasks of a type due at one instant: how many a second, until the last has begun."""
    at = time.time() + 1 + count / SLOWEST_CREATION
    create(service, task_type, [at] * count)
    if time.time() > at:
        raise TimeoutError(f"creating {count} tasks took too long")
    until(at)
    wait_until_final(service, at + 1)
    lags = lags_ms(service, task_type, at - 0.001)
    if len(lags) != count:
        raise RuntimeError(f"{len(lags)} of {count} tasks began")
    return {
        "drain /s": count / (max(lags) / 1000),
        "first start ms": min(lags),
        "first to last start s": (max(lags) - min(lags)) / 1000,
        "early": sum(lag < 0 for lag in lags),
    }
