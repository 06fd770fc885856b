"""What is in Redis besides the ids themselves: sizes to look at, the generation of its contents, measured durations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.broker.due_set import DueSet, delivered_key, due_key
from app.broker.rq.keys import queue_key
from app.broker.task_ids import is_task_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis import Redis

GENERATION = "generation"
DURATIONS = "durations"


@dataclass(frozen=True, slots=True)
class Depths:
    """How many ids are in the due sets, and delivered and not yet claimed; how many jobs wait in each RQ queue."""

    on_schedule: int
    delivered: int
    rq_queues: dict[str, int]


class Contents:
    """Looks at the sorted sets and the RQ queues; changes nothing."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def depths(self, task_types: Iterable[str], queues: Iterable[str]) -> Depths:
        """Count what waits."""
        names = list(queues)
        on_schedule, delivered = DueSet(self.redis).sizes(task_types)
        with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.llen(queue_key(name))
            return Depths(on_schedule, delivered, dict(zip(names, pipe.execute(), strict=True)))

    def place(self, task_type: str, task_id: str) -> str | None:
        """Return where an id is: on the `schedule` (the due set), `delivered`, or None."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.zscore(due_key(task_type), task_id)
            pipe.zscore(delivered_key(task_type), task_id)
            due, delivered = pipe.execute()
        if due is not None:
            return "schedule"
        return None if delivered is None else "delivered"

    def members(self, task_types: Iterable[str], *, limit: int) -> list[str]:
        """Return the first ids that are due or delivered: at most `limit` of each type, and in all."""
        with self.redis.pipeline(transaction=False) as pipe:
            for name in task_types:
                pipe.zrange(due_key(name), 0, limit - 1)
                pipe.zrange(delivered_key(name), 0, limit - 1)
            found = [each.decode() for each in chain.from_iterable(pipe.execute()) if is_task_id(each)]
        return found[:limit]


def current_generation(redis: Redis) -> str:
    """Return the mark of this Redis' contents; a new one when it is new, or was wiped."""
    found: Any = redis.get(GENERATION)
    if found is None:
        redis.set(GENERATION, str(uuid7()), nx=True)
        found = redis.get(GENERATION) or b""
    return _text(found)


def began_at(redis: Redis) -> datetime | None:
    """Return when this Redis was found empty: the instant in its mark. None when it has no mark of ours."""
    found: Any = redis.get(GENERATION)
    try:
        mark = UUID((found or b"").decode())
        return datetime.fromtimestamp((mark.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError, AttributeError):
        return None


def put_durations(redis: Redis, durations_ms: Mapping[str, float]) -> None:
    """Publish the mean run times of some types, in milliseconds."""
    redis.hset(DURATIONS, mapping={name: f"{value:.4f}" for name, value in durations_ms.items()})


def get_durations(redis: Redis) -> dict[str, float]:
    """Return the mean run times of all types that ran, in milliseconds; without values that are none."""
    found: Any = redis.hgetall(DURATIONS)
    means = {_text(name): _mean(value) for name, value in found.items()}
    return {name: mean for name, mean in means.items() if mean is not None}


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _mean(value: bytes | str) -> float | None:
    try:
        mean = float(value)
    except ValueError:
        return None
    return mean if math.isfinite(mean) and mean >= 0 else None
