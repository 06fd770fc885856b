"""What is read of an RQ job in Redis: whoever can write there may have written anything into it."""

from __future__ import annotations

import re
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LARGEST_DATA = 1 << 20  # an envelope of 500 ids takes 20 kB
LONGEST_TEXT = 1000
UNREADABLE = b'["(not readable)", null, [], {}]'
STATES = {
    b"created", b"queued", b"finished", b"failed", b"started", b"deferred", b"scheduled", b"stopped", b"canceled",
}  # fmt: skip
INSTANTS = (b"created_at", b"enqueued_at", b"started_at", b"ended_at", b"last_heartbeat")
TEXTS = (b"origin", b"description", b"worker_name")
ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TASK_ID, LINES_OF_IDS = re.compile(ID.encode()), re.compile(f"(?:{ID}\n)*+")
ID_LENGTH = 36


def readable(job: Mapping[Any, Any]) -> dict[bytes, bytes]:
    """Those fields of a job's hash that RQ can read without failing or being led elsewhere.

    Left out are callbacks, dependencies, webhooks, retries, repetitions and time limits, and whatever is malformed.
    What is to be called is there always: as plain JSON, or as a function that nobody has.
    """
    given = {name: value for name, value in job.items() if isinstance(name, bytes) and isinstance(value, bytes)}
    kept = {name: given[name] for name in INSTANTS if _is_instant(given.get(name))}
    kept |= {name: _text(given[name]) for name in TEXTS if name in given}
    if given.get(b"status") in STATES:
        kept[b"status"] = given[b"status"]
    kept[b"data"] = _call(given.get(b"data", b""))
    return kept


def is_task_id(value: object) -> bool:
    """Whether this is how the ids of tasks are written in Redis."""
    if isinstance(value, str):
        value = value.encode(errors="replace")
    return isinstance(value, bytes) and TASK_ID.fullmatch(value) is not None


def are_task_ids(values: Sequence[str]) -> bool:
    """Whether all of these texts are ids of tasks. Joined into lines, they take a third of the time.

    Raises:
        TypeError: one is no text.
    """
    lines = "\n".join(values) + "\n" if values else ""
    return len(lines) == (ID_LENGTH + 1) * len(values) and LINES_OF_IDS.fullmatch(lines) is not None


def _call(data: bytes) -> bytes:
    """`[function, instance, arguments, keywords]` as plain JSON; never unpickled, never unpacked beyond a bound."""
    try:
        call = orjson.loads(_unpacked(data))
        function, _, arguments, keywords = call
        if isinstance(function, str) and isinstance(arguments, list) and isinstance(keywords, dict):
            return orjson.dumps(call)  # refuses what is nested deeper than it should be, with a TypeError
    except (ValueError, TypeError, zlib.error):
        pass
    return UNREADABLE


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(b"x"):  # how zlib begins
        return data[:LARGEST_DATA]
    unpacking = zlib.decompressobj()
    unpacked = unpacking.decompress(data, LARGEST_DATA)
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
    return value.decode(errors="replace")[:LONGEST_TEXT].encode()
