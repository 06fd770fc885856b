"""From the body of a request to many tasks that can be kept together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from app.api import shapes
from app.api.access.caller import caller_id
from app.api.reading.aliases import rename_fields, sent_fields
from app.api.reading.field_errors import FieldErrors, fit
from app.api.reading.new_task import read_new_task
from app.api.reading.requests import BATCH, LARGEST_BODIES, read_json_object
from app.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.task import NewTask
    from app.task_types import TaskTypes


class LooseTasks(Struct, forbid_unknown_fields=True):
    """The list before each task is looked at."""

    tasks: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=shapes.MOST_TOGETHER)]


def read_new_tasks(types: TaskTypes) -> list[NewTask]:
    """All tasks of the request's body, none if one is wrong.

    Raises:
        InvalidInput: naming every field that is wrong, with its index: `tasks[3].execute_at`.
        UnsupportedMedia, BodyCutOff, BodyTooSlow, NotJson, werkzeug's RequestEntityTooLarge.
    """
    errors, created_by = FieldErrors(), caller_id()
    given = read_json_object(errors, limit=LARGEST_BODIES[BATCH])
    new: list[NewTask | None] = []
    mine = FieldErrors()
    for index, asked in enumerate(_asked(given, errors)):
        if isinstance(asked, shapes.NewTask):
            new.append(read_new_task(asked, types, mine, created_by=created_by))
        else:
            wanted, mine = asked
            if wanted is not None:
                new.append(read_new_task(wanted, types, mine, created_by=created_by))
        if mine.fields:
            _gather(errors, index, mine)
            mine = FieldErrors()
    errors.refuse()
    return [each for each in new if each is not None]


def _asked(
    given: dict[str, Any], errors: FieldErrors
) -> Sequence[shapes.NewTask | tuple[shapes.NewTask | None, FieldErrors]]:
    """Most bodies fit as a whole; where one does not, or has names of earlier systems, each task is looked at."""
    try:
        return msgspec.convert(given, shapes.NewTasks).tasks
    except msgspec.ValidationError:
        outer = fit(given, LooseTasks, errors)
        errors.refuse()
        return [_asked_alone(each) for each in outer.tasks]


def _asked_alone(given: dict[str, Any]) -> tuple[shapes.NewTask | None, FieldErrors]:
    """None: it has two names for one field, and they disagree."""
    errors = FieldErrors()
    errors.sent = sent_fields(given)
    try:
        renamed = rename_fields(given)
    except InvalidInput as disagreeing:
        errors.fields |= disagreeing.details["fields"]
        return None, errors
    return fit(renamed, shapes.NewTask, errors), errors


def _gather(errors: FieldErrors, index: int, mine: FieldErrors) -> None:
    for field, message in mine.fields.items():
        errors.add(f"tasks[{index}].{mine.sent.get(field, field)}", message)
    for field, allowed in mine.allowed.items():
        errors.allowed[f"tasks[{index}].{mine.sent.get(field, field)}"] = allowed
