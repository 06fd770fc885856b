"""A receiver that works until its queue is empty and records deliveries."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from workers.chores import CHORES
from workers.worker.receiver import Receiver

if TYPE_CHECKING:
    from redis import Redis

    from app.counter_buffer import CounterBuffer

Received = list[tuple[str, list[Any]]]


class RecordingInbox:
    """An inbox that always has room, and stops the worker when the queue is empty."""

    def __init__(self, redis: Redis, stop: threading.Event, received: Received) -> None:
        self.redis, self.stop, self.received = redis, stop, received

    def put(self, task_type: str, ids: list[str], ahead: list[Any]) -> None:
        self.received.append((task_type, [*ids, *ahead]))

    def has_room(self, _timeout_s: float) -> bool:
        try:
            if self.redis.llen("rq:queue:default"):
                return True
        except RedisError:
            return True
        self.stop.set()
        return False


def receiver(
    redis: Redis, counters: CounterBuffer, received: Received, stop: threading.Event | None = None
) -> Receiver:
    stop, may_claim = stop or threading.Event(), threading.Event()
    may_claim.set()
    inbox: Any = RecordingInbox(redis, stop, received)
    return Receiver(
        "default", redis, name="test", inbox=inbox, chores=CHORES, stop=stop, may_claim=may_claim, counters=counters
    )


def work(redis: Redis, counters: CounterBuffer, received: Received) -> Receiver:
    stop = threading.Event()
    worker = receiver(redis, counters, received, stop)
    worker.work(logging_level="CRITICAL")
    assert stop.is_set(), "RQ's loop ended by itself"
    return worker
