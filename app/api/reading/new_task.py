"""From the body of a request to a task that can be kept."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

import msgspec
import orjson
from msgspec import UNSET
from uuid_utils import uuid7

from app.api.access.caller import caller_id
from app.api.reading.field_errors import FieldErrors, explain, message_of
from app.api.reading.instants import read_instant
from app.api.reading.requests import type_reader
from app.task import NewTask

if TYPE_CHECKING:
    from uuid import UUID

    from app.api import shapes
    from app.task_types import TaskType, TaskTypes

MOST_PAYLOAD_BYTES = 64 * 1024
TIMES = {"execute_at", "delay_s"}
EMPTY = msgspec.Raw(b"{}")


def new_task(asked: shapes.NewTask, types: TaskTypes, errors: FieldErrors) -> NewTask:
    """The task that was asked for, defaults from its type filled in.

    Raises:
        InvalidInput: naming every field that is wrong.
    """
    new = read_new_task(asked, types, errors, created_by=caller_id())
    errors.refuse()
    if new is None:
        raise TypeError("a type that cannot be read is refused above")
    return new


def read_new_task(
    asked: shapes.NewTask, types: TaskTypes, errors: FieldErrors, *, created_by: UUID | None
) -> NewTask | None:
    """As `new_task`; None when something is wrong, which is named in `errors`."""
    kind = _kind(asked.type, types, errors) if _is_given(asked.type) else None
    execute_at = None if asked.execute_at is UNSET else errors.read("execute_at", read_instant, asked.execute_at)
    if (asked.execute_at is UNSET) == (asked.delay_s is UNSET) and errors.fields.keys().isdisjoint(TIMES):
        errors.add("execute_at", "Exactly one of execute_at and delay_s must be given.")
    payload = _payload(asked.payload, kind, errors) if _is_given(asked.payload) else msgspec.Raw()
    if errors.fields or kind is None:
        return None
    return NewTask(
        id=str(uuid7()),
        type=kind.name,
        execute_at=execute_at,
        delay_s=None if asked.delay_s is UNSET else asked.delay_s,
        payload=payload,
        timeout_s=float(kind.timeout_s if asked.timeout_s is UNSET else asked.timeout_s),
        max_attempts=kind.max_attempts if asked.max_attempts is UNSET else int(asked.max_attempts),
        created_by=created_by,
    )


def _is_given(value: object) -> bool:
    """False for what `fit` left out because it was wrong or missing."""
    return value is not UNSET


def _kind(name: str, types: TaskTypes, errors: FieldErrors) -> TaskType | None:
    if name in types:
        return types[name]
    known = errors.read("type", type_reader(types.names), name)
    return types[known] if known else None


def _payload(payload: dict[str, Any], kind: TaskType | None, errors: FieldErrors) -> msgspec.Raw:
    if not payload and kind and _may_be_empty(cast("Any", kind.payload)):
        return EMPTY
    text = orjson.dumps(payload)
    if len(text) > MOST_PAYLOAD_BYTES:
        errors.add("payload", f"At most {MOST_PAYLOAD_BYTES} bytes of JSON.")
    elif kind:
        _check_payload(payload, kind, errors)
    return msgspec.Raw(text)


@cache
def _may_be_empty(payload: Any) -> bool:
    try:
        msgspec.convert({}, payload)
    except msgspec.ValidationError:
        return False
    return True


def _check_payload(payload: dict[str, Any], kind: TaskType, errors: FieldErrors) -> None:
    try:
        kind.read_payload(payload)
    except msgspec.ValidationError as wrong:
        if isinstance(kind.payload, type) and issubclass(kind.payload, msgspec.Struct):
            explain(wrong, payload, kind.payload, errors, "payload.")
        else:
            place, what = message_of(wrong)
            errors.add(f"payload.{place}".rstrip("."), what)
