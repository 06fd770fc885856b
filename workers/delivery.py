"""What RQ carries: envelopes of task ids, and the one kind of job that our processes accept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rq.serializers
from redis.exceptions import ResponseError
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from app.broker.jobs import are_task_ids, is_task_id, readable
from workers import housekeeping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

# RQ falls back to pickle wherever it was not told otherwise, and reading a pickle runs code. This name is what it
# falls back to, so that nothing in this process can.
rq.serializers.PickleSerializer = JSONSerializer  # type: ignore[assignment]

RESULT_TTL_S = 10
FAILURE_TTL_S = 3600
UNCLAIMED_TTL_S = 3600
ENVELOPE = "workers.delivery.deliver"
NO_TIME_LIMIT = -1
LARGEST_ENVELOPE = 500
LONGEST_TYPE = 100


@dataclass(frozen=True, slots=True)
class Envelope:
    """Ids of one type that travel together: due ones, and others with the instants (seconds) at which they will be."""

    type: str
    ids: Sequence[str]
    ahead: Sequence[tuple[str, float]] = ()


class ForeignJob(Exception):
    """This RQ job names a function that is not ours; it was not run."""


Ahead = Sequence[tuple[str, float]]
Receiver = Callable[[str, Sequence[str], Ahead], None]


def _refuse(_task_type: str, _ids: Sequence[str], _ahead: Ahead) -> None:
    raise ForeignJob("this process takes no envelopes")


_here: dict[str, Receiver] = {"receive": _refuse}


def receive_with(receiver: Receiver) -> None:
    """Say what this process does with envelopes."""
    _here["receive"] = receiver


def deliver(task_type: str, ids: Sequence[str], ahead: Ahead = ()) -> None:
    """The function every envelope names: hand over ids that are due, and some that soon will be, with their instants.

    When it returns, the envelope is done; the claims in Postgres own what runs.
    """
    _here["receive"](task_type, ids, ahead)


class DeliveryJob(Job):
    """An RQ job that runs our functions only, whatever somebody wrote into Redis.

    Of its hash only what `readable` names is read: no callbacks, repetitions, dependencies or time limits.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["serializer"] = JSONSerializer
        super().__init__(*arguments, **options)

    def refresh(self) -> None:
        """Read what is in Redis; a key that is no hash is a job without a function."""
        try:
            super().refresh()  # type: ignore[no-untyped-call]
        except ResponseError:
            self.restore({})

    def restore(self, raw_data: Mapping[Any, Any]) -> None:
        """Take over what can be read of a job's hash."""
        super().restore(readable(raw_data))
        self.timeout, self.result_ttl, self.failure_ttl = NO_TIME_LIMIT, RESULT_TTL_S, FAILURE_TTL_S

    def get_status(self, refresh: bool = True) -> JobStatus:  # noqa: ARG002, FBT001, FBT002  # RQ's signature
        """As it was read: what stands in Redis now may be no status at all."""
        return super().get_status(refresh=False)

    def refused_because(self) -> str | None:
        """Why this is neither an envelope of ours nor a chore; None when it is."""
        function = str(self.func_name)
        if function not in allowed_functions():
            return f"it names {function[:LONGEST_TYPE]}"
        if self.instance or self.kwargs:
            return "it has an instance or keywords"
        if function != ENVELOPE:
            return "a chore takes no arguments" if self.args else None
        return None if _is_envelope(list(self.args)) else "its arguments are not a type and ids of tasks"

    @property
    def func(self) -> Callable[..., object]:
        """Our function of this name.

        Raises:
            ForeignJob: it is not one of ours.
        """
        if refused := self.refused_because():
            raise ForeignJob(refused)
        return allowed_functions()[str(self.func_name)]

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
    return {ENVELOPE: deliver, **chores}


def _is_envelope(arguments: list[Any]) -> bool:
    if len(arguments) != 3:  # noqa: PLR2004 - a type, ids, and ids with their instants
        return False
    task_type, ids, ahead = arguments
    if not (isinstance(task_type, str) and len(task_type) <= LONGEST_TYPE):
        return False
    if not (isinstance(ids, list) and isinstance(ahead, list) and 0 < len(ids) + len(ahead) <= LARGEST_ENVELOPE):
        return False
    return all(isinstance(each, str) for each in ids) and are_task_ids(ids) and all(_is_ahead(each) for each in ahead)


def _is_ahead(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and is_task_id(pair[0]) and isinstance(pair[1], float)  # noqa: PLR2004


def queue(name: str, redis: Redis) -> Queue:
    """The RQ queue of this name, with our job class and JSON only."""
    return Queue(name, connection=redis, job_class=DeliveryJob, serializer=JSONSerializer)


def send(to: Queue, envelopes: Sequence[Envelope]) -> None:
    """Push envelopes onto an RQ queue, in one round trip."""
    to.enqueue_many(
        [
            Queue.prepare_data(
                deliver,
                args=[each.type, each.ids, each.ahead],
                timeout=NO_TIME_LIMIT,
                ttl=UNCLAIMED_TTL_S,
                result_ttl=RESULT_TTL_S,
                failure_ttl=FAILURE_TTL_S,
                description=f"{each.type} x {len(each.ids) + len(each.ahead)}",
            )
            for each in envelopes
        ]
    )
