"""Reads the tasks of a request: one, or many that are created together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

import msgspec
import orjson
from msgspec import UNSET, Meta, Struct, UnsetType
from uuid_utils import uuid7

from app.api import shapes
from app.api.instants import read_instant
from app.api.reading.aliases import rename_fields
from app.api.reading.field_errors import FieldErrors, explain, fit, message_of
from app.api.reading.requests import type_reader
from app.api.reading.strict_json import read_object
from app.errors import InvalidInput
from app.task import NewTask

if TYPE_CHECKING:
    from app.task_types import TaskType, TaskTypes

MAX_PAYLOAD_BYTES = 64 * 1024
ESCAPE = re.compile(rb"\\(?:u[0-9a-f]{4}|.)")  # counts as one byte
TIMES = {"execute_at", "delay_s"}
EMPTY = msgspec.Raw(b"{}")


class AnyTasks(Struct, forbid_unknown_fields=True):
    """A batch whose tasks are not validated yet."""

    tasks: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=shapes.MAX_BATCH)]


def read_new_task(body: bytes, types: TaskTypes, *, created_by: UUID | None) -> NewTask:
    """Read a task, defaults from its type filled in.

    Raises:
        InvalidInput: naming every field that is wrong.
        NotJson
    """
    errors = FieldErrors()
    asked = fit(rename_fields(read_object(body), errors), shapes.NewTask, errors)
    new = _new_task(asked, types, errors, created_by)
    if new is None:
        raise errors.refusal()
    return new


def read_new_tasks(body: bytes, types: TaskTypes, *, created_by: UUID | None) -> list[NewTask]:
    """Read all tasks of a batch, none if one is wrong.

    Raises:
        InvalidInput: naming every field that is wrong, with its index: `tasks[3].execute_at`.
        NotJson
    """
    errors, own = FieldErrors(), FieldErrors()
    new: list[NewTask] = []
    for index, (asked, wrong) in enumerate(_fit_tasks(read_object(body), errors)):
        own = wrong or own
        task = _new_task(asked, types, own, created_by) if asked else None
        if task:
            new.append(task)
        if own.fields:
            _add_errors(errors, index, own)
            own = FieldErrors()
    errors.refuse()
    return new


def _fit_tasks(sent: dict[str, Any], errors: FieldErrors) -> Iterator[tuple[shapes.NewTask | None, FieldErrors | None]]:
    """Fit the batch into its shape as a whole; if that fails, or a name is an alias, fit each task by itself."""
    try:
        batch = msgspec.convert(sent, shapes.NewTasks)
    except msgspec.ValidationError:
        batch_of_any = fit(sent, AnyTasks, errors)
        errors.refuse()
        return map(_fit_alone, batch_of_any.tasks)
    return ((task, None) for task in batch.tasks)


def _fit_alone(sent: dict[str, Any]) -> tuple[shapes.NewTask | None, FieldErrors]:
    """Return the task with its errors; None if two names for one field disagree."""
    errors = FieldErrors()
    try:
        renamed = rename_fields(sent, errors)
    except InvalidInput as disagreeing:
        errors.fields |= disagreeing.details["fields"]
        return None, errors
    return fit(renamed, shapes.NewTask, errors), errors


def _add_errors(errors: FieldErrors, index: int, own: FieldErrors) -> None:
    for field, message in own.fields.items():
        errors.add(f"tasks[{index}].{own.sent.get(field, field)}", message)
    for field, allowed in own.allowed.items():
        errors.allowed[f"tasks[{index}].{own.sent.get(field, field)}"] = allowed


def _new_task(asked: shapes.NewTask, types: TaskTypes, errors: FieldErrors, created_by: UUID | None) -> NewTask | None:
    """Return None, and errors, where something is wrong. `asked` has UNSET where `fit` has found an error already."""
    kind = types[asked.type] if asked.type in types else _kind_in_any_case(asked.type, types, errors)
    execute_at = None if asked.execute_at is UNSET else errors.read("execute_at", read_instant, asked.execute_at)
    if (asked.execute_at is UNSET) == (asked.delay_s is UNSET) and errors.fields.keys().isdisjoint(TIMES):
        errors.add("execute_at", "Exactly one of execute_at and delay_s must be given.")
    payload = _payload(asked.payload, kind, errors)
    if errors.fields or kind is None:
        return None
    return NewTask(
        id=str(uuid7()),
        type=kind.name,
        execute_at=execute_at,
        delay_s=None if asked.delay_s is UNSET else asked.delay_s,
        payload=payload,
        timeout_s=float(kind.timeout_s if asked.timeout_s is UNSET else asked.timeout_s),
        max_attempts=kind.max_attempts if asked.max_attempts is UNSET else asked.max_attempts,
        created_by=created_by,
    )


def _kind_in_any_case(name: str | UnsetType, types: TaskTypes, errors: FieldErrors) -> TaskType | None:
    known = None if name is UNSET else errors.read("type", type_reader(types.names), name)
    return types[known] if known else None


def _payload(payload: dict[str, Any] | UnsetType, kind: TaskType | None, errors: FieldErrors) -> msgspec.Raw:
    if payload is UNSET:
        return EMPTY
    if not payload and kind and _may_be_empty(cast("Any", kind.payload)):
        return EMPTY
    text = orjson.dumps(payload)
    if len(text) > MAX_PAYLOAD_BYTES and len(ESCAPE.sub(b"_", text)) > MAX_PAYLOAD_BYTES:
        errors.add("payload", f"At most {MAX_PAYLOAD_BYTES} bytes of JSON in UTF-8; an escape counts as one.")
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
