"""What RQ carries: envelopes of task ids, and the one kind of job that our processes accept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import rq.serializers
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from workers import housekeeping

if TYPE_CHECKING:
    from redis import Redis

# RQ falls back to pickle wherever it was not told otherwise, and reading a pickle runs code. This name is what it
# falls back to, so that nothing in this process can.
rq.serializers.PickleSerializer = JSONSerializer  # type: ignore[assignment]

RESULT_TTL_S = 10
FAILURE_TTL_S = 3600
UNCLAIMED_TTL_S = 3600


class ForeignJob(Exception):
    """This RQ job names a function that is not ours; it was not run."""


Receiver = Callable[[str, Sequence[str]], None]


def _refuse(_task_type: str, _ids: Sequence[str]) -> None:
    raise ForeignJob("this process takes no envelopes")


_here: dict[str, Receiver] = {"receive": _refuse}


def receive_with(receiver: Receiver) -> None:
    """Say what this process does with envelopes."""
    _here["receive"] = receiver


def deliver(task_type: str, ids: list[str]) -> None:
    """The function every envelope names: hand the ids to this process' slots.

    When it returns, the envelope is done; the claims in Postgres own what runs.
    """
    _here["receive"](task_type, ids)


class DeliveryJob(Job):
    """An RQ job that runs our functions only, whatever somebody wrote into Redis."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["serializer"] = JSONSerializer
        super().__init__(*arguments, **options)

    @property
    def func(self) -> Callable[..., object]:
        """Our function of this name.

        Raises:
            ForeignJob: it is not one of ours.
        """
        allowed = allowed_functions()
        if self.func_name not in allowed or self.instance:
            raise ForeignJob(str(self.func_name)[:100])
        return allowed[self.func_name]

    @property
    def success_callback(self) -> None:
        """None: callbacks are import paths, too."""

    @property
    def failure_callback(self) -> None:
        """None, as above."""

    @property
    def stopped_callback(self) -> None:
        """None, as above."""

    def send_webhooks(self, *_: object, **__: object) -> None:
        """Nothing: a URL in Redis is not ours to call."""


def allowed_functions() -> dict[str, Callable[..., object]]:
    """All that an RQ job may name."""
    chores = {f"workers.housekeeping.{chore.__name__}": chore for chore in housekeeping.CHORES}
    return {"workers.delivery.deliver": deliver, **chores}


def queue(name: str, redis: Redis) -> Queue:
    """The RQ queue of this name, with our job class and JSON only."""
    return Queue(name, connection=redis, job_class=DeliveryJob, serializer=JSONSerializer)


def send(to: Queue, envelopes: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Push envelopes of (type, ids) onto an RQ queue, in one round trip."""
    to.enqueue_many(
        [
            Queue.prepare_data(
                deliver,
                args=[task_type, list(ids)],
                timeout=-1,
                ttl=UNCLAIMED_TTL_S,
                result_ttl=RESULT_TTL_S,
                failure_ttl=FAILURE_TTL_S,
                description=f"{task_type} x {len(ids)}",
            )
            for task_type, ids in envelopes
        ]
    )
