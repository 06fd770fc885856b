"""Run one attempt of one task: read the payload, call the handler, return a result or a failure."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import structlog

from punctual import Context
from workers.pool.protocol import Failure

if TYPE_CHECKING:
    from app.task import Claim
    from app.task_types import TaskTypes

log = structlog.get_logger()

MAX_RESULT_BYTES = 256 * 1024
MAX_MESSAGE = 2000
LONG_NUMBER = re.compile(rb"\d{19}")
BAD_IN_JSONB = str.maketrans({"\0": "\N{REPLACEMENT CHARACTER}"})

NOTHING = "null"
TOO_LATE = Failure("worker_lost", "The worker was silent for too long; the code has not begun.")


def run(claim: Claim, types: TaskTypes, *, may_begin: Callable[[], bool]) -> str | Failure:
    """Call the handler; return its result as JSON text or why it failed. All exceptions are caught, SystemExit too.

    `may_begin` is called immediately before the handler, because this process may have been frozen since the run lease
    was checked last.
    """
    context = Context(claim.id, claim.type, claim.attempt, claim.max_attempts, claim.timeout_s, claim.execute_at)
    try:
        handler = types[claim.type].handler
        if handler is None:
            return Failure("handler_error", f"Type {claim.type} has no handler here.")
        payload = handler.decode(claim.payload)
        return _encode(handler.call(payload, context)) if may_begin() else TOO_LATE
    except BaseException as error:
        log.warning("task_failed", task_id=claim.id, type=claim.type, attempt=claim.attempt, exc_info=True)
        return Failure("handler_error", message(error))
    finally:
        try:  # noqa: SIM105  # `suppress` takes longer, at every task
            sys.stdout.flush()
        except (OSError, ValueError):  # a handler has closed it
            pass


def message(error: BaseException) -> str:
    """Return an exception as text that Postgres can store."""
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  # __str__ may raise anything
        text = type(error).__name__
    return text[:MAX_MESSAGE].encode("utf-8", "replace").decode().translate(BAD_IN_JSONB)


def _encode(result: Any) -> str | Failure:
    if result is None:
        return NOTHING
    text = msgspec.json.encode(result)
    if len(text) > MAX_RESULT_BYTES:
        return Failure("result_too_large", f"The result is {len(text)} bytes; at most {MAX_RESULT_BYTES}.")
    _check_readable(text)
    return text.decode()


def _check_readable(text: bytes) -> None:
    """Check that JSON readers get from the stored result what the handler returned.

    Raises:
        ValueError: the result is nested too deeply, or holds a number that readers would round or refuse.
    """
    orjson.loads(text)
    if LONG_NUMBER.search(text):
        json.loads(text, parse_int=_whole_number)


def _whole_number(digits: str) -> int:
    number = int(digits)
    if not -(2**63) <= number < 2**64:
        raise ValueError("the result holds an integer beyond 64 bit; return it as text")
    return number
