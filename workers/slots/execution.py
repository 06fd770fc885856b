"""One attempt of one task: read the payload, call the handler, turn whatever happens into an outcome."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import structlog

from punctual import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.task import Claim
    from app.task_types import TaskTypes

log = structlog.get_logger()

LARGEST_RESULT = 256 * 1024
LONGEST_MESSAGE = 2000
LONG_NUMBER = re.compile(rb"\d{19}")
BAD_IN_JSONB = str.maketrans({"\0": "\N{REPLACEMENT CHARACTER}"})


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of an attempt: JSON text, or the type and message of its error."""

    result: str | None = None
    error: tuple[str, str] | None = None


NOTHING = Ending(result="null")
TOO_LATE = Ending(error=("worker_lost", "The worker was silent for too long; the code has not begun."))


def run(claim: Claim, types: TaskTypes, *, may_begin: Callable[[], bool]) -> Ending:
    """Call the handler; nothing it raises, SystemExit included, comes out of here.

    `may_begin` is asked last of all: this process may have been frozen since it was asked before.
    """
    context = Context(claim.id, claim.type, claim.attempt, claim.max_attempts, claim.timeout_s, claim.execute_at)
    try:
        handler = types[claim.type].handler
        if handler is None:
            return Ending(error=("handler_error", f"Type {claim.type} has no handler here."))
        payload = handler.decode(claim.payload)
        return _ending(handler.call(payload, context)) if may_begin() else TOO_LATE
    except BaseException as trouble:
        log.warning("task_failed", task_id=claim.id, type=claim.type, attempt=claim.attempt, exc_info=True)
        return Ending(error=("handler_error", message(trouble)))
    finally:
        try:  # noqa: SIM105  # `suppress` takes longer, at every task
            sys.stdout.flush()
        except (OSError, ValueError):  # a handler has closed it
            pass


def message(trouble: BaseException) -> str:
    """An exception in one line that Postgres can keep."""
    try:
        text = f"{type(trouble).__name__}: {trouble}"
    except BaseException:  # noqa: BLE001  # a __str__ that raises, SystemExit perhaps
        text = type(trouble).__name__
    return text[:LONGEST_MESSAGE].encode("utf-8", "replace").decode().translate(BAD_IN_JSONB)


def _ending(result: Any) -> Ending:
    if result is None:
        return NOTHING
    text = msgspec.json.encode(result)
    if len(text) > LARGEST_RESULT:
        return Ending(error=("result_too_large", f"The result is {len(text)} bytes; at most {LARGEST_RESULT}."))
    _read_back(text)
    return Ending(result=text.decode())


def _read_back(text: bytes) -> None:
    """What is kept must be readable, and read as it was.

    Raises:
        ValueError: nested too deep, or with a number that others would round or refuse.
    """
    orjson.loads(text)
    if LONG_NUMBER.search(text):
        json.loads(text, parse_int=_whole_number)


def _whole_number(digits: str) -> int:
    number = int(digits)
    if not -(2**63) <= number < 2**64:
        raise ValueError("the result holds an integer beyond 64 bit; return it as text")
    return number
