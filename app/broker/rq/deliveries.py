"""Deliveries: ids of tasks, pushed onto an RQ queue as the arguments of one RQ job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rq import Queue
from rq.serializers import JSONSerializer

from app.broker.rq.jobs import DELIVER, FAILURE_TTL_S, NO_TIME_LIMIT, RESULT_TTL_S, DeliveryJob

if TYPE_CHECKING:
    from redis import Redis

UNCLAIMED_TTL_S = 3600


@dataclass(frozen=True, slots=True)
class Delivery:
    """Ids of one type in one RQ job: due `ids`, and ids `ahead` with the seconds at which they will be due."""

    type: str
    ids: Sequence[str]
    ahead: Sequence[tuple[str, float]] = ()


def queue(name: str, redis: Redis, *, job_class: type[DeliveryJob] = DeliveryJob) -> Queue:
    """Return the RQ queue of this name, with our job class and JSON only."""
    return Queue(name, connection=redis, job_class=job_class, serializer=JSONSerializer)


def push(to: Queue, deliveries: Sequence[Delivery]) -> None:
    """Push deliveries onto an RQ queue, in one round trip."""
    to.enqueue_many(
        [
            Queue.prepare_data(
                DELIVER,
                args=[each.type, each.ids, each.ahead],
                timeout=NO_TIME_LIMIT,
                ttl=UNCLAIMED_TTL_S,
                result_ttl=RESULT_TTL_S,
                failure_ttl=FAILURE_TTL_S,
                description=f"{each.type} x {len(each.ids) + len(each.ahead)}",
            )
            for each in deliveries
        ]
    )
