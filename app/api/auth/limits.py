"""Limits of each key: requests in a minute, and scheduled tasks."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from flask import g, request
from limits.storage import MemoryStorage, RedisStorage
from redis.exceptions import RedisError

from app.api.auth.gate import caller_id
from app.api.exchange import current_exchange
from app.errors import TooManyPending, TooManyRequests
from app.logs import get_logger
from app.loop import describe

if TYPE_CHECKING:
    from flask import Response
    from redis import Redis

    from app.api.auth.gate import Scopes
    from app.api_key import ApiKey

KEY_PREFIX = "limits"  # below that of the connection
MINUTE_S = 60
RETRY_REDIS_S = 2.0
RECOUNT_S = 2.0


@dataclass(frozen=True, slots=True)
class Counted:
    """The number of events in this minute, this one included, and the seconds until the next minute begins."""

    number: int
    resets_s: float


class MinuteCounts:
    """Counters of the current minute, in Redis for all web processes, in memory while Redis is unavailable.

    A minute begins at second 0 of the clock. An event costs one round trip. After an error Redis is not asked for two
    seconds.
    """

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._shared = RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix=KEY_PREFIX)
        self._clock = clock
        self._failed_at: float | None = None
        self._log = get_logger()

    def count(self, name: str) -> Counted:
        """Count an event of this name."""
        now = self._clock()
        minute, passed = divmod(now, MINUTE_S)
        return Counted(self._increment(f"{name}/{minute:.0f}", now), MINUTE_S - passed)

    def _increment(self, counter: str, now: float) -> int:
        if self._failed_at is None or not 0 <= now - self._failed_at < RETRY_REDIS_S:
            try:
                number = self._shared.incr(counter, MINUTE_S)
            except RedisError as trouble:
                if self._failed_at is None:
                    self._log.warning("limits_in_memory", trouble=describe(trouble))
                self._failed_at = now
            else:
                if self._failed_at is not None:
                    self._log.info("limits_in_redis")
                self._failed_at = None
                return number
        return self._in_memory.incr(counter, MINUTE_S)

    @cached_property
    def _in_memory(self) -> MemoryStorage:
        """The fallback. It is created on first use, because it starts a thread."""
        return MemoryStorage()


class RequestRate:
    """Limits the requests in a minute of each key, or of each address where no key is needed."""

    def __init__(self, minutes: MinuteCounts, scopes: Scopes, *, per_minute: int) -> None:
        self._minutes = minutes
        self._scopes = scopes
        self._max = per_minute

    def count(self) -> None:
        """Count this request, unless its route is public.

        Raises:
            TooManyRequests
        """
        if request.endpoint and self._scopes.of(request.endpoint) is None:
            return
        exchange = current_exchange()  # a held answer calls the view a second time
        if exchange.counted is None:
            name = f"key/{caller_id()}" if caller_id() else f"address/{request.remote_addr}"
            exchange.counted = self._minutes.count(name)
        g.counted = exchange.counted
        refuse_beyond(self._max, g.counted)

    def add_headers(self, response: Response) -> Response:
        """Add the RateLimit headers of the IETF draft: what is left, and the policy."""
        counted: Counted | None = g.get("counted")
        if counted:
            left, seconds = max(0, self._max - counted.number), math.ceil(counted.resets_s)
            response.headers["RateLimit"] = f'"minute";r={left};t={seconds}'
            response.headers["RateLimit-Policy"] = f'"minute";q={self._max};w={MINUTE_S}'
        return response


def refuse_beyond(limit: int, counted: Counted) -> None:
    """Raise TooManyRequests, with the seconds until the next minute, if the count is beyond the limit."""
    if counted.number > limit:
        raise TooManyRequests(limit=limit, retry_after_s=math.ceil(counted.resets_s))


class PendingLimit:
    """Limits the scheduled tasks of a key, counted every two seconds by each web process.

    Between two counts, the tasks that this process creates are added. So a key may exceed its limit by what other
    processes created for it within two seconds.
    """

    def __init__(self, count: Callable[[UUID, int], int], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._known: dict[UUID, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def allow(self, key: ApiKey | None, more: int = 1) -> None:
        """Allow a key this number of further tasks. Without a key, or a limit of the key, everything is allowed.

        Raises:
            TooManyPending, LedgerUnavailable.
        """
        if key is None or key.max_pending is None:
            return
        self._refresh(key.id, key.max_pending)
        with self._lock:
            counted_at, number = self._known[key.id]
            if number + more > key.max_pending:
                raise TooManyPending(pending=number, max_pending=key.max_pending)
            self._known[key.id] = counted_at, number + more

    def _refresh(self, key_id: UUID, limit: int) -> None:
        counted_at, _ = self._known.get(key_id, (float("-inf"), 0))
        now = self._clock()
        if now - counted_at >= RECOUNT_S:
            number = self._count(key_id, limit)
            with self._lock:
                self._known[key_id] = now, number
