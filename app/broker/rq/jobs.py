"""RQ jobs: deliveries are pushed, and jobs are read safely, because any client of Redis can write them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
from redis.exceptions import ResponseError
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from app.broker.due_set import are_task_ids

if TYPE_CHECKING:
    from redis import Redis

DELIVER = "deliver"
"""The function that the job of a delivery names. Not an import path, so that only our workers can call it."""
MAX_IDS = 500
RESULT_TTL_S = 10
FAILURE_TTL_S = 3600
UNCLAIMED_TTL_S = 3600
NO_TIME_LIMIT = -1

MAX_DATA_BYTES = 1 << 20  # a job of 500 ids takes 20 kB
MAX_TEXT_BYTES = 1000
MAX_NAME_LENGTH = 100
UNREADABLE = b'["(not readable)", null, [], {}]'
STATES = {
    b"created", b"queued", b"finished", b"failed", b"started", b"deferred", b"scheduled", b"stopped", b"canceled",
}  # fmt: skip
INSTANTS = (b"created_at", b"enqueued_at", b"started_at", b"ended_at", b"last_heartbeat")
TEXTS = (b"origin", b"description", b"worker_name")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Ids of one type in one RQ job: due `ids`, and ids `ahead` with the seconds at which they will be due."""

    type: str
    ids: Sequence[str]
    ahead: Sequence[tuple[str, float]] = ()


class ForeignJob(Exception):
    """This RQ job does not call a function of ours; it was not run."""


class DeliveryJob(Job):
    """An RQ job that runs only functions of `functions`.

    Only the fields that `readable` returns are read: no callbacks, repetitions, dependencies or time limits.
    """

    functions: ClassVar[Mapping[str, Callable[..., object]]] = {}
    """The functions by the names that jobs use. Empty in processes that run no jobs; see `accepting`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["serializer"] = JSONSerializer
        super().__init__(*arguments, **options)

    def refresh(self) -> None:
        """Read the hash. A key that is not a hash is a job without a function."""
        try:
            super().refresh()  # type: ignore[no-untyped-call]
        except ResponseError:
            self.restore({})

    def restore(self, raw_data: Mapping[Any, Any]) -> None:
        """Set the fields from the readable part of a job's hash."""
        super().restore(readable(raw_data))
        self.timeout, self.result_ttl, self.failure_ttl = NO_TIME_LIMIT, RESULT_TTL_S, FAILURE_TTL_S

    def get_status(self, refresh: bool = True) -> JobStatus:  # noqa: ARG002, FBT001, FBT002  # RQ's signature
        """Return the status that was read first; the value in Redis may be invalid by now."""
        return super().get_status(refresh=False)

    def refused_because(self) -> str | None:
        """Return why the job is neither a delivery nor a chore of ours; None if it is one."""
        function = str(self.func_name)
        if function not in self.functions:
            return f"it names {function[:MAX_NAME_LENGTH]}"
        if self.instance or self.kwargs:
            return "it has an instance or keywords"
        if function != DELIVER:
            return "a chore takes no arguments" if self.args else None
        return None if _is_delivery(list(self.args)) else "its arguments are not a type and ids of tasks"

    @property
    def func(self) -> Callable[..., object]:
        """The function that the job calls.

        Raises:
            ForeignJob: the job does not call a function of ours.
        """
        if reason := self.refused_because():
            raise ForeignJob(reason)
        return self.functions[str(self.func_name)]

    @property
    def success_callback(self) -> None:
        """None, because callbacks are import paths."""

    @property
    def failure_callback(self) -> None:
        """None, as above."""

    @property
    def stopped_callback(self) -> None:
        """None, as above."""

    def send_webhooks(self, *_: object, **__: object) -> None:
        """Do nothing, because any client of Redis could write the URLs."""


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


def accepting(functions: Mapping[str, Callable[..., object]]) -> type[DeliveryJob]:
    """Return the job class of a process that runs these functions."""
    return type("AcceptedJob", (DeliveryJob,), {"functions": dict(functions)})


def readable(job: Mapping[Any, Any]) -> dict[bytes, bytes]:
    """Return the fields of a job's hash that RQ can read without errors and without importing what they name.

    Callbacks, dependencies, webhooks, retries, repetitions, time limits and malformed fields are left out. The field
    `data` is always present: the call as plain JSON, or a call of a function that does not exist.
    """
    fields = {name: value for name, value in job.items() if isinstance(name, bytes) and isinstance(value, bytes)}
    valid = {name: fields[name] for name in INSTANTS if _is_instant(fields.get(name))}
    valid |= {name: fields[name].decode(errors="replace")[:MAX_TEXT_BYTES].encode() for name in TEXTS if name in fields}
    if fields.get(b"status") in STATES:
        valid[b"status"] = fields[b"status"]
    valid[b"data"] = _call(fields.get(b"data", b""))
    return valid


def _call(data: bytes) -> bytes:
    """Return `[function, instance, arguments, keywords]` as plain JSON. Never unpickles; unpacks up to a limit."""
    unpacking = zlib.decompressobj()
    try:
        if data.startswith(b"x"):  # the first byte of zlib's format
            data = unpacking.decompress(data, MAX_DATA_BYTES)
        call = orjson.loads(b"" if unpacking.unconsumed_tail else data[:MAX_DATA_BYTES])
        function, _, arguments, keywords = call
        if isinstance(function, str) and isinstance(arguments, list) and isinstance(keywords, dict):
            return orjson.dumps(call)  # raises TypeError if it is nested too deeply
    except (ValueError, TypeError, zlib.error):
        pass
    return UNREADABLE


def _is_instant(text: bytes | None) -> bool:
    for form in ("%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            datetime.strptime((text or b"").decode("ascii"), form)  # noqa: DTZ007 - only checks the form
        except ValueError:
            continue
        return True
    return False


def _is_delivery(arguments: list[Any]) -> bool:
    if len(arguments) != 3:  # noqa: PLR2004 - a type, ids, and ids with their instants
        return False
    task_type, ids, ahead = arguments
    if not (isinstance(task_type, str) and len(task_type) <= MAX_NAME_LENGTH):
        return False
    if not (isinstance(ids, list) and isinstance(ahead, list) and 0 < len(ids) + len(ahead) <= MAX_IDS):
        return False
    if not all(isinstance(each, list) and len(each) == 2 and isinstance(each[1], float) for each in ahead):  # noqa: PLR2004
        return False
    every = [*ids, *(task_id for task_id, _ in ahead)]
    return all(isinstance(each, str) for each in every) and are_task_ids(every)
