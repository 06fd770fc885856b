"""Signs of life of the processes without a row in the ledger: promoter, sweeper and scheduler."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from app.broker.keys import PROCESSES
from app.logs import get_logger

if TYPE_CHECKING:
    from redis import Redis

log = get_logger()

INTERVAL_S = 2.0
FORGET_AFTER_S = 3600.0


class SignOfLife:
    """Records successful steps of the main loop of a process, at most every INTERVAL_S."""

    def __init__(self, redis: Redis, kind: str, name: str, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._field = f"{kind} {name}"
        self._clock = clock
        self._recorded_at: float | None = None

    def after(self, step: Callable[[], bool]) -> Callable[[], bool]:
        """Return a step that also records its success."""

        def recorded() -> bool:
            has_more = step()
            self.record()
            return has_more

        return recorded

    def record(self) -> None:
        """Record a step, unless one was recorded less than INTERVAL_S ago. Without Redis, nothing is recorded."""
        now = self._clock()
        if self._recorded_at is not None and abs(now - self._recorded_at) < INTERVAL_S:
            return
        try:
            if self._recorded_at is None:
                self._forget_others(now)
            self._redis.hset(PROCESSES, self._field, f"{now:.3f}")
        except RedisError as error:
            log.warning("redis_unavailable", doing="sign_of_life", tasks=0, trouble=type(error).__name__)
        self._recorded_at = now

    def _forget_others(self, now: float) -> None:
        old = [field for field, at in _recorded(self._redis).items() if now - at > FORGET_AFTER_S]
        if old:
            self._redis.hdel(PROCESSES, *old)


def silence_s(redis: Redis, *, now: float) -> dict[str, list[float]]:
    """Return, for each kind, how many seconds ago each process recorded a step. Raises RedisError."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for field, at in _recorded(redis).items():
        found[field.partition(" ")[0]].append(now - at)
    return dict(found)


def _recorded(redis: Redis) -> dict[str, float]:
    stored: Any = redis.hgetall(PROCESSES)
    times = {}
    for field, value in stored.items():
        try:
            times[field.decode()] = float(value)
        except ValueError:  # not written by Punctual
            continue
    return times
