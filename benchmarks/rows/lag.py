"""How late tasks begin when there is little to do."""

from __future__ import annotations

import random
import time

from benchmarks.result import percentile
from benchmarks.service import Service
from benchmarks.tasks import create, instant, lags_ms, until, wait_until_final
from tools.load import post, send_all

PER_SECOND = 100
AHEAD_S = 2.0


def steady(service: Service, *, seconds: float = 20.0) -> dict[str, float]:
    """Measure 100 tasks a second at random instants, created before."""
    begin = time.time() + 3
    chance = random.Random(1)
    create(service, "bench", [begin + chance.uniform(0, seconds) for _ in range(int(PER_SECOND * seconds))])
    until(begin + seconds)
    wait_until_final(service, begin + seconds)
    return _summary(lags_ms(service, "bench", begin))


def idle(service: Service, *, samples: int = 100, every_s: float = 0.1) -> dict[str, float]:
    """Measure one task after another, each created two seconds ahead, on an idle system."""
    begin = time.time() + AHEAD_S
    chance = random.Random(2)
    for number in range(samples):
        until(begin - AHEAD_S + every_s * (number + chance.random()))
        body = f'{{"type": "bench", "execute_at": "{instant(time.time() + AHEAD_S)}"}}'
        send_all(service.url, iter([post(service.url, "/tasks", body.encode())]), connections=1)
    wait_until_final(service, time.time() + AHEAD_S)
    return _summary(lags_ms(service, "bench", begin))


def _summary(lags: list[float]) -> dict[str, float]:
    return {
        "p50 ms": percentile(lags, 0.5),
        "p99 ms": percentile(lags, 0.99),
        "worst ms": max(lags),
        "early": sum(lag < 0 for lag in lags),
    }
