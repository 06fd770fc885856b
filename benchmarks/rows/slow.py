"""Tasks that take their time: whether all slots are used, and whether others wait for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.tasks import create, until, wait_until_final

if TYPE_CHECKING:
    from benchmarks.service import Service

NAP_S = 0.05
LAST_END = "SELECT extract(epoch FROM max(finished_at))::float8 FROM tasks WHERE type = 'nap'"


def naps(service: Service, *, count: int = 1000, slots: int = 64) -> dict[str, float]:
    """`count` tasks that sleep 50 ms, on so many slots: how much longer than the ideal it takes.

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
