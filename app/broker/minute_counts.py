"""Counts what somebody does within a minute: in Redis for all processes, here alone while Redis is away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import structlog
from limits.storage import MemoryStorage, RedisStorage
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

KEYS = "limits"
MINUTE_S = 60
AGAIN_AFTER_S = 2.0


@dataclass(frozen=True, slots=True)
class Counted:
    """How often in this minute, this time included; when the next one begins."""

    number: int
    resets_s: float


class MinuteCounts:
    """Minutes begin with the clock's. Redis is asked once for each count; when it fails, not again for two seconds."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._shared = RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix=KEYS)
        self._clock = clock
        self._failed_at: float | None = None
        self._log = structlog.get_logger()

    def count(self, what: str) -> Counted:
        """Once more."""
        now = self._clock()
        minute, passed = divmod(now, MINUTE_S)
        return Counted(self._add(f"{what}/{minute:.0f}", now), MINUTE_S - passed)

    def _add(self, name: str, now: float) -> int:
        if self._failed_at is None or not 0 <= now - self._failed_at < AGAIN_AFTER_S:
            try:
                number = self._shared.incr(name, MINUTE_S)
            except RedisError as trouble:
                if self._failed_at is None:
                    self._log.warning("limits_in_memory", trouble=type(trouble).__name__)
                self._failed_at = now
            else:
                if self._failed_at is not None:
                    self._log.info("limits_in_redis")
                self._failed_at = None
                return number
        return self._here.incr(name, MINUTE_S)

    @cached_property
    def _here(self) -> MemoryStorage:
        """Made when it is needed: it starts a thread."""
        return MemoryStorage()
