"""The footprint of the service: CPU and memory while it is idle, and the bytes of a waiting task."""

from __future__ import annotations

import os
import time
from pathlib import Path

from redis import Redis

from benchmarks.service import MadeRun, Service
from benchmarks.tasks import create

TICKS = os.sysconf("SC_CLK_TCK")
SETTLE_S, SECONDS = 5.0, 20.0
COUNT = 100_000
BEYOND_S, WITHIN_S = 7 * 86_400.0, 1800.0
ANNOUNCED_S = 2.0
SIZE = "SELECT pg_total_relation_size('tasks')"


def idle(service: Service) -> dict[str, float]:
    """Measure CPU of all processes in percent of one core, and their memory, shared pages divided among them."""
    time.sleep(SETTLE_S)
    before, began = _cpu_s(service), time.monotonic()
    time.sleep(SECONDS)
    took_s = time.monotonic() - began
    return {"cpu %": 100 * (_cpu_s(service) - before) / took_s, "memory MB": _resident_mb(service)}


def resident(run: MadeRun) -> dict[str, float]:
    """Measure the memory of all processes of `make run` without any requests."""
    time.sleep(SETTLE_S)
    return {"memory MB": _resident_mb(run)}


def _resident_mb(service: Service | MadeRun) -> float:
    return sum(map(_proportional_kb, service.pids())) / 1024


def _cpu_s(service: Service) -> float:
    ticks = 0
    for pid in service.pids():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # of children that ended, too
    return ticks / TICKS


def _proportional_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def waiting(service: Service) -> dict[str, float]:
    """Measure 100,000 tasks beyond the window, then as many within it."""
    beyond = _grown(service, BEYOND_S)
    within = _grown(service, WITHIN_S)
    return {"redis beyond": beyond[0], "redis within": within[0], "postgres": (beyond[1] + within[1]) / 2}


def _grown(service: Service, ahead_s: float) -> tuple[float, float]:
    """Return bytes per task: Redis, Postgres with its indexes."""
    before = _sizes(service)
    begin = time.time() + ahead_s
    create(service, "bench", (begin + number / 1000 for number in range(COUNT)))
    time.sleep(ANNOUNCED_S)  # announcements follow the answers
    after = _sizes(service)
    return (after[0] - before[0]) / COUNT, (after[1] - before[1]) / COUNT


def _sizes(service: Service) -> tuple[int, int]:
    redis = Redis.from_url(service.redis_url)
    used = int(redis.info("memory")["used_memory_dataset"])
    redis.close()
    with service.postgres() as connection:
        row = connection.execute(SIZE).fetchone()
    return used, int(str(row[0])) if row else 0
