"""What a waiting task takes, in Redis and in Postgres."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from redis import Redis

from benchmarks.tasks import create

if TYPE_CHECKING:
    from benchmarks.service import Service

COUNT = 100_000
BEYOND_S, WITHIN_S = 7 * 86_400.0, 1800.0
SETTLE_S = 2.0
SIZE = "SELECT pg_total_relation_size('tasks')"


def waiting(service: Service) -> dict[str, float]:
    """100,000 tasks beyond the window of the schedule, then as many within it."""
    beyond = _grown(service, BEYOND_S)
    within = _grown(service, WITHIN_S)
    return {"redis beyond": beyond[0], "redis within": within[0], "postgres": (beyond[1] + within[1]) / 2}


def _grown(service: Service, ahead_s: float) -> tuple[float, float]:
    """Bytes per task: Redis, Postgres with its indexes."""
    before = _sizes(service)
    begin = time.time() + ahead_s
    create(service, "bench", (begin + number / 1000 for number in range(COUNT)))
    time.sleep(SETTLE_S)  # announcements follow the answers
    after = _sizes(service)
    return (after[0] - before[0]) / COUNT, (after[1] - before[1]) / COUNT


def _sizes(service: Service) -> tuple[int, int]:
    redis = Redis.from_url(service.redis_url)
    used = int(redis.info("memory")["used_memory_dataset"])
    redis.close()
    with service.postgres() as connection:
        row = connection.execute(SIZE).fetchone()
    return used, int(str(row[0])) if row else 0
