"""Reads the tasks of a request: one, or many that are created together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from uuid_utils import uuid7

from app.api import shapes
from app.api.instants import read_instant
from app.api.reading.aliases import rename_fields
from app.api.reading.field_errors import FieldErrors, fit
from app.api.reading.payloads import read_payload
from app.api.reading.requests import type_reader
from app.api.reading.sent_text import payloads_of, text_of
from app.api.reading.strict_json import read_object
from app.errors import InvalidInput
from app.task import NewTask

if TYPE_CHECKING:
    from app.task_types import TaskType, TaskTypes

TIMES = {"execute_at", "delay_s"}


class AnyTasks(Struct, forbid_unknown_fields=True):
    """A batch whose tasks are not validated yet."""

    tasks: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=shapes.MAX_BATCH)]


def read_new_task(body: bytes, types: TaskTypes, *, created_by: UUID | None, on_loop: bool = False) -> NewTask:
    """Read a task, with the defaults of its type. With `on_loop`, no code of the user is called.

    Raises:
        InvalidInput: names every invalid field.
        NotJson, TooBusy
    """
    errors = FieldErrors()
    sent = read_object(body)
    asked = fit(rename_fields(sent, errors), shapes.NewTask, errors)
    new = _new_task(asked, text_of("payload", body, sent), types, errors, created_by, on_loop=on_loop)
    if new is None:
        raise errors.refusal()
    return new


def read_new_tasks(body: bytes, types: TaskTypes, *, created_by: UUID | None) -> list[NewTask]:
    """Read all tasks of a batch, or none if one is invalid.

    Raises:
        InvalidInput: names every invalid field, with its index: `tasks[3].execute_at`.
        NotJson, TooBusy
    """
    errors, own = FieldErrors(), FieldErrors()
    new: list[NewTask] = []
    sent = read_object(body)
    fitted = _fit_tasks(sent, errors)
    for index, ((asked, wrong), payload) in enumerate(zip(fitted, payloads_of(body, sent), strict=True)):
        own = wrong or own
        task = _new_task(asked, payload, types, own, created_by) if asked else None
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


def _new_task(
    asked: shapes.NewTask, payload: Raw, types: TaskTypes, errors: FieldErrors, created_by: UUID | None, *,
    on_loop: bool = False,
) -> NewTask | None:  # fmt: skip
    """Return None, and errors, where something is wrong. `asked` has UNSET where `fit` has found an error already."""
    kind = types[asked.type] if asked.type in types else _kind_in_any_case(asked.type, types, errors)
    execute_at = None if asked.execute_at is UNSET else errors.read("execute_at", read_instant, asked.execute_at)
    if (asked.execute_at is UNSET) == (asked.delay_s is UNSET) and errors.fields.keys().isdisjoint(TIMES):
        errors.add("execute_at", "Exactly one of execute_at and delay_s must be given.")
    if isinstance(asked.payload, dict):  # UNSET if it is invalid
        payload = read_payload(asked.payload, payload, kind, errors, on_loop=on_loop)
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
