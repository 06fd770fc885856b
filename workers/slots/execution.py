"""One attempt of one task: read the payload, call the handler, turn whatever happens into an outcome."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from app.task_types import TaskContext

if TYPE_CHECKING:
    from app.task import Claim
    from app.task_types import TaskTypes

log = structlog.get_logger()

LARGEST_RESULT = 256 * 1024
LONGEST_MESSAGE = 2000
BAD_IN_JSONB = str.maketrans({"\0": "\N{REPLACEMENT CHARACTER}"})


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of an attempt: JSON text, or the type and message of its error."""

    result: str | None = None
    error: tuple[str, str] | None = None


def run(claim: Claim, types: TaskTypes) -> Ending:
    """Call the handler; nothing it raises, SystemExit included, comes out of here."""
    context = TaskContext(claim.id, claim.type, claim.attempt, claim.max_attempts, claim.timeout_s, claim.execute_at)
    try:
        task_type = types[claim.type]
        handler = task_type.handler
        if handler is None:
            return Ending(error=("handler_error", f"Type {claim.type} has no handler here."))
        return _ending(handler(context, task_type.read_payload(msgspec.json.decode(claim.payload))))
    except BaseException as trouble:
        log.warning("task_failed", task_id=claim.id, type=claim.type, attempt=claim.attempt, exc_info=True)
        return Ending(error=("handler_error", message(trouble)))
    finally:
        sys.stdout.flush()


def message(trouble: BaseException) -> str:
    """An exception in one line that Postgres can keep."""
    try:
        text = f"{type(trouble).__name__}: {trouble}"
    except Exception:  # noqa: BLE001  # a __str__ that raises
        text = type(trouble).__name__
    return text[:LONGEST_MESSAGE].encode("utf-8", "replace").decode().translate(BAD_IN_JSONB)


def _ending(result: Any) -> Ending:
    text = msgspec.json.encode(result)
    if len(text) > LARGEST_RESULT:
        return Ending(error=("result_too_large", f"The result is {len(text)} bytes; at most {LARGEST_RESULT}."))
    return Ending(result=text.decode())
