"""Reads RQ jobs safely. Anybody who can write to Redis may have written anything into them."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
from redis.exceptions import ResponseError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from app.broker.task_ids import are_task_ids, is_task_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DELIVER = "deliver"
"""The function that a delivery's job names; not an import path, so that nothing but our workers can call it."""
MAX_IDS = 500
RESULT_TTL_S = 10
FAILURE_TTL_S = 3600
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


class ForeignJob(Exception):
    """This RQ job names a function that is not ours; it was not run."""


class DeliveryJob(Job):
    """An RQ job that runs the functions of `functions` only, whatever its hash says.

    Of the hash only what `readable` names is read: no callbacks, repetitions, dependencies or time limits.
    """

    functions: ClassVar[Mapping[str, Callable[..., object]]] = {}
    """By the names that jobs use. Empty where no job is run; see `accepting`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["serializer"] = JSONSerializer
        super().__init__(*arguments, **options)

    def refresh(self) -> None:
        """Read the hash; a key that is no hash is a job without a function."""
        try:
            super().refresh()  # type: ignore[no-untyped-call]
        except ResponseError:
            self.restore({})

    def restore(self, raw_data: Mapping[Any, Any]) -> None:
        """Take over what can be read of a job's hash."""
        super().restore(readable(raw_data))
        self.timeout, self.result_ttl, self.failure_ttl = NO_TIME_LIMIT, RESULT_TTL_S, FAILURE_TTL_S

    def get_status(self, refresh: bool = True) -> JobStatus:  # noqa: ARG002, FBT001, FBT002  # RQ's signature
        """Return the status as it was read: what is in Redis now may be no status at all."""
        return super().get_status(refresh=False)

    def refused_because(self) -> str | None:
        """Return why this is neither a delivery nor a chore of ours; None when it is."""
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
        """Our function of this name.

        Raises:
            ForeignJob: it is not one of ours.
        """
        if refused := self.refused_because():
            raise ForeignJob(refused)
        return self.functions[str(self.func_name)]

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
        """Do nothing: a URL in Redis is not called."""


def accepting(functions: Mapping[str, Callable[..., object]]) -> type[DeliveryJob]:
    """Make the job class of a process that runs these functions."""
    return type("AcceptedJob", (DeliveryJob,), {"functions": dict(functions)})


def readable(job: Mapping[Any, Any]) -> dict[bytes, bytes]:
    """Return those fields of a job's hash that RQ can read without failing, and without importing what they name.

    Left out are callbacks, dependencies, webhooks, retries, repetitions and time limits, and whatever is malformed.
    The field `data` is always there: the call as plain JSON, or a call of a function that does not exist.
    """
    given = {name: value for name, value in job.items() if isinstance(name, bytes) and isinstance(value, bytes)}
    kept = {name: given[name] for name in INSTANTS if _is_instant(given.get(name))}
    kept |= {name: _text(given[name]) for name in TEXTS if name in given}
    if given.get(b"status") in STATES:
        kept[b"status"] = given[b"status"]
    kept[b"data"] = _call(given.get(b"data", b""))
    return kept


def _call(data: bytes) -> bytes:
    """Return `[function, instance, arguments, keywords]` as plain JSON; never unpickled, unpacked up to a limit."""
    try:
        call = orjson.loads(_unpacked(data))
        function, _, arguments, keywords = call
        if isinstance(function, str) and isinstance(arguments, list) and isinstance(keywords, dict):
            return orjson.dumps(call)  # raises TypeError for what is nested too deep
    except (ValueError, TypeError, zlib.error):
        pass
    return UNREADABLE


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(b"x"):  # the first byte of zlib's format
        return data[:MAX_DATA_BYTES]
    unpacking = zlib.decompressobj()
    unpacked = unpacking.decompress(data, MAX_DATA_BYTES)
    return b"" if unpacking.unconsumed_tail else unpacked


def _is_instant(text: bytes | None) -> bool:
    for form in ("%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            datetime.strptime((text or b"").decode("ascii"), form)  # noqa: DTZ007 - only whether it can be read
        except ValueError:
            continue
        return True
    return False


def _text(value: bytes) -> bytes:
    return value.decode(errors="replace")[:MAX_TEXT_BYTES].encode()


def _is_delivery(arguments: list[Any]) -> bool:
    if len(arguments) != 3:  # noqa: PLR2004 - a type, ids, and ids with their instants
        return False
    task_type, ids, ahead = arguments
    if not (isinstance(task_type, str) and len(task_type) <= MAX_NAME_LENGTH):
        return False
    if not (isinstance(ids, list) and isinstance(ahead, list) and 0 < len(ids) + len(ahead) <= MAX_IDS):
        return False
    return all(isinstance(each, str) for each in ids) and are_task_ids(ids) and all(_is_ahead(each) for each in ahead)


def _is_ahead(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and is_task_id(pair[0]) and isinstance(pair[1], float)  # noqa: PLR2004
