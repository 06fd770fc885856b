"""Millions of tasks far ahead: their bytes in Redis, and the lag while many of them are fed at once."""

from __future__ import annotations

import random
import time

from redis import Redis

from app.broker.due_set import FEED_INTERVAL_S
from app.broker.keys import due_key
from benchmarks.result import percentile
from benchmarks.rows.growth import fill
from benchmarks.service import Service
from benchmarks.tasks import create, lags_ms, until, wait_until_final, warm_up

TYPE = "bench"
BEYOND, ENTERING, PER_SECOND = 5_000_000, 100_000, 100
WINDOW_S, BEFORE_S, AFTER_S = 3600, 10.0, 5.0
POLL_S, SETTLE_S, AFTERMATH_S = 0.01, 2.0, 1.0
# Inserted into the table, not through the API, so that the sweeper has to feed them when they enter the window.
ENTER = """
INSERT INTO tasks (id, type, execute_at, payload, timeout_s, max_attempts)
SELECT uuidv7(), %s, to_timestamp(%s), '{}', 5, 1
FROM generate_series(1, %s::bigint)
"""


class Beyond:
    """A service with millions of tasks beyond its window."""

    def __init__(self) -> None:
        self._ids = self._bytes = 0

    def prepare(self, service: Service) -> None:
        """Insert five million rows; note what Redis holds in addition after the next feed."""
        warm_up(service, TYPE)
        ids, held = _redis_holds(service)
        fill(service, final=0, scheduled=BEYOND)
        time.sleep(FEED_INTERVAL_S + SETTLE_S)
        self._ids, self._bytes = (now - before for now, before in zip(_redis_holds(service), (ids, held), strict=True))

    def feeding(self, service: Service) -> dict[str, float]:
        """Measure the lag at 100 tasks a second while 100,000 others enter the window at once, after ten seconds."""
        begin = float(int(time.time()) + 6)  # as exact in Redis' scores as in Postgres
        entered_at, seconds = begin + BEFORE_S, BEFORE_S + FEED_INTERVAL_S + AFTER_S
        with service.postgres() as connection:
            connection.execute(ENTER, [TYPE, entered_at + WINDOW_S, ENTERING])
        chance = random.Random(3)
        create(service, TYPE, [begin + chance.uniform(0, seconds) for _ in range(int(PER_SECOND * seconds))])
        first, last = _fed(service, entered_at, patience_s=begin + seconds - time.time())
        until(begin + seconds)
        wait_until_final(service, begin + seconds)
        before, meanwhile = lags_ms(service, TYPE, begin, entered_at), lags_ms(service, TYPE, first, last + AFTERMATH_S)
        return {
            "ids": self._ids,
            "bytes": self._bytes,
            "p50 ms": percentile(before, 0.5),
            "p99 ms": percentile(before, 0.99),
            "feeding s": last - first,
            "feeding p50 ms": percentile(meanwhile, 0.5),
            "feeding p99 ms": percentile(meanwhile, 0.99),
        }


def _fed(service: Service, entered_at: float, patience_s: float) -> tuple[float, float]:
    """Return when the sweeper began to feed those tasks, and when all of them were in the due set."""
    deadline, first = time.time() + patience_s, 0.0
    with Redis.from_url(service.redis_url) as redis:
        while time.time() < deadline:
            fed = redis.zcount(f"punctual:{due_key(TYPE)}", entered_at + WINDOW_S, "+inf")
            first = first or (fed and time.time() - POLL_S)
            if fed == ENTERING:
                return first, time.time()
            time.sleep(POLL_S)
    raise TimeoutError(f"{ENTERING} tasks were not fed within {patience_s:.0f} s")


def _redis_holds(service: Service) -> tuple[int, int]:
    """Return the number of ids in our sorted sets, and the bytes of those sets."""
    with Redis.from_url(service.redis_url) as redis:
        sets = list(redis.scan_iter("punctual:*", _type="zset"))
        return sum(redis.zcard(each) for each in sets), sum(redis.memory_usage(each, samples=0) or 0 for each in sets)
