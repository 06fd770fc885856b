"""Tasks that take their time: whether all slots are used, and whether others wait for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.tasks import create, lags_ms, until, wait_until_final

if TYPE_CHECKING:
    from benchmarks.service import Service

NAP_S = 0.05


def naps(service: Service, *, count: int = 1000, slots: int = 64) -> dict[str, float]:
    """`count` tasks that sleep 50 ms, on so many slots: how much longer than the ideal it takes."""
    at = time.time() + 1.5
    create(service, "nap", [at] * count)
    until(at)
    wait_until_final(service, at + 1)
    took_s = (max(lags_ms(service, "nap", at - 0.001)) / 1000) + NAP_S
    return {"naps s": took_s, "x ideal": took_s / (count * NAP_S / slots)}
