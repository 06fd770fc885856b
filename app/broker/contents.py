"""What lies in Redis just now, for people who look at it; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from app.broker.jobs import is_task_id
from app.broker.schedule import Schedule, delivered_key, rq_queue_key, schedule_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis


@dataclass(frozen=True, slots=True)
class Depths:
    """How many ids are on the schedule, and delivered and not yet claimed; how many jobs wait in each RQ queue."""

    on_schedule: int
    delivered: int
    rq_queues: dict[str, int]


class Contents:
    """Looks at the sorted sets and the RQ queues."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def depths(self, task_types: Iterable[str], queues: Iterable[str]) -> Depths:
        """How much waits where."""
        names = list(queues)
        on_schedule, delivered = Schedule(self.redis).sizes(task_types)
        with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.llen(rq_queue_key(name))
            return Depths(on_schedule, delivered, dict(zip(names, pipe.execute(), strict=True)))

    def place(self, task_type: str, task_id: str) -> str | None:
        """Where an id is: on the `schedule`, `delivered`, or nowhere."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.zscore(schedule_key(task_type), task_id)
            pipe.zscore(delivered_key(task_type), task_id)
            on_schedule, delivered = pipe.execute()
        if on_schedule is not None:
            return "schedule"
        return None if delivered is None else "delivered"

    def members(self, task_types: Iterable[str], *, limit: int) -> list[str]:
        """The first ids that are on the schedule or delivered, so many of each type and so many in all."""
        with self.redis.pipeline(transaction=False) as pipe:
            for name in task_types:
                pipe.zrange(schedule_key(name), 0, limit - 1)
                pipe.zrange(delivered_key(name), 0, limit - 1)
            found = [each.decode() for each in chain.from_iterable(pipe.execute()) if is_task_id(each)]
        return found[:limit]
