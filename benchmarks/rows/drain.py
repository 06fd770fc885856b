"""Many tasks due at one instant: tasks that do nothing, on more and more workers, and tasks that sleep."""

from __future__ import annotations

import time

from benchmarks.service import Service
from benchmarks.tasks import create, lags_ms, until, wait_until_final, warm_up

SLOWEST_CREATION = 10_000  # tasks/s: the instant must lie behind the last creation
NO_OPS, DOZES = 50_000, 5_000
NAP_S = 0.05
LAST_END = "SELECT extract(epoch FROM max(finished_at))::float8 FROM tasks WHERE type = 'nap'"


def drain(service: Service, task_type: str, *, count: int) -> dict[str, float]:
    """Measure how many of `count` tasks due at one instant start in a second, until the last start."""
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


def warm_curve(service: Service) -> None:
    """Run tasks of both types, so that their children have started and their durations are known."""
    warm_up(service, "bench")
    warm_up(service, "doze")


def curve(service: Service) -> dict[str, float]:
    """Measure the drains of tasks that do nothing and of tasks that sleep 5 ms."""
    return {
        "no-op /s": drain(service, "bench", count=NO_OPS)["drain /s"],
        "doze /s": drain(service, "doze", count=DOZES)["drain /s"],
    }


def naps(service: Service, *, count: int = 1000, slots: int = 64) -> dict[str, float]:
    """Measure how much longer than the ideal `count` tasks that sleep 50 ms take on `slots` slots.

    Until the last outcome is written: a task may be claimed some time before its code begins.
    """
    at = time.time() + 1.5
    create(service, "nap", [at] * count)
    until(at)
    wait_until_final(service, at + 1)
    with service.postgres() as connection:
        row = connection.execute(LAST_END).fetchone()
    took_s = float(str(row[0])) - at if row else float("nan")
    return {"naps s": took_s, "x ideal": took_s / (count * NAP_S / slots)}
