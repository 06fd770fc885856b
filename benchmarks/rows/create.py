"""How fast tasks are created over HTTP, each committed before its 201."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.service import Service
from benchmarks.tasks import create, instant
from tools.load import post, send_all

CONNECTIONS = 32
FAR_S = 86_400.0


def one_at_a_time(service: Service, *, count: int = 15_000) -> dict[str, float]:
    """Measure `POST /tasks` over 32 connections."""

    def requests() -> Iterator[bytes]:
        far = time.time() + FAR_S
        for number in range(count):
            body = f'{{"type": "bench", "execute_at": "{instant(far + number)}"}}'
            yield post(service.url, "/tasks", body.encode())

    load = send_all(service.url, requests(), connections=CONNECTIONS)
    if set(load.statuses) != {201}:
        raise RuntimeError(f"the service answered {dict(load.statuses)}")
    return {"create /s": load.per_second, "create p99 ms": load.percentile_ms(0.99)}


def together(service: Service, *, count: int = 200_000) -> dict[str, float]:
    """Measure `POST /tasks/batch` with 1,000 tasks per request."""
    far = time.time() + FAR_S
    load = create(service, "bench", (far + number for number in range(count)))
    return {"batch tasks/s": count / load.seconds}
