"""Contents of Redis: sizes and places of ids for monitoring, the generation mark, duration statistics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.broker.due_set import DueSet, is_task_id
from app.broker.keys import DURATIONS, GENERATION, PROBE, delivered_key, due_key
from app.broker.rq.keys import queue_key

if TYPE_CHECKING:
    from redis import Redis

PROBE_TTL_MS = 10_000


@dataclass(frozen=True, slots=True)
class Depths:
    """The number of ids in the due sets, of ids delivered and not yet claimed, and of jobs in each RQ queue."""

    on_schedule: int
    delivered: int
    rq_queues: dict[str, int]


class Contents:
    """Reads the due sets, the deliveries and the RQ queues."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def depths(self, task_types: Iterable[str], queues: Iterable[str]) -> Depths:
        """Count the ids of these types and the jobs of these queues."""
        names = list(queues)
        on_schedule, delivered = DueSet(self.redis).sizes(task_types)
        with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.llen(queue_key(name))
            return Depths(on_schedule, delivered, dict(zip(names, pipe.execute(), strict=True)))

    def place(self, task_type: str, task_id: str) -> str | None:
        """Return where an id is: `due` (in the due set), `delivered`, or None."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.zscore(due_key(task_type), task_id)
            pipe.zscore(delivered_key(task_type), task_id)
            due, delivered = pipe.execute()
        if due is not None:
            return "due"
        return None if delivered is None else "delivered"

    def members(self, task_types: Iterable[str], *, limit: int) -> list[str]:
        """Return the first ids that are due or delivered: at most `limit` of each type, and in all."""
        with self.redis.pipeline(transaction=False) as pipe:
            for name in task_types:
                pipe.zrange(due_key(name), 0, limit - 1)
                pipe.zrange(delivered_key(name), 0, limit - 1)
            ids = [each.decode() for each in chain.from_iterable(pipe.execute()) if is_task_id(each)]
        return ids[:limit]


def current_generation(redis: Redis) -> str:
    """Return the generation mark. If Redis is new or was wiped, set a new one."""
    mark: Any = redis.get(GENERATION)
    if mark is None:
        redis.set(GENERATION, str(uuid7()), nx=True)
        mark = redis.get(GENERATION) or b""
    return _text(mark)


def began_at(redis: Redis) -> datetime | None:
    """Return when the generation mark was set; None if there is no valid mark."""
    mark: Any = redis.get(GENERATION)
    try:
        milliseconds = UUID((mark or b"").decode()).int >> 80  # of a UUID of version 7
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, AttributeError):
        return None


def probe_write(redis: Redis) -> None:
    """Write a key that expires soon.

    Raises:
        RedisError: Redis is unavailable or refuses writes: it is a replica, is full or cannot save its data.
    """
    redis.set(PROBE, "", px=PROBE_TTL_MS)


def put_durations(redis: Redis, durations_ms: Mapping[str, float]) -> None:
    """Publish the mean durations of these types, in milliseconds."""
    redis.hset(DURATIONS, mapping={name: f"{value:.4f}" for name, value in durations_ms.items()})


def get_durations(redis: Redis) -> dict[str, float]:
    """Return the mean durations of all types that ran, in milliseconds. Invalid values are left out."""
    published: Any = redis.hgetall(DURATIONS)
    means = {_text(name): _mean(value) for name, value in published.items()}
    return {name: mean for name, mean in means.items() if mean is not None}


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _mean(value: bytes | str) -> float | None:
    try:
        mean = float(value)
    except ValueError:
        return None
    return mean if math.isfinite(mean) and mean >= 0 else None
