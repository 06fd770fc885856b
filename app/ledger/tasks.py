"""The row of a task: insert, get, delete, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from app.errors import TaskDeleted, TaskNotCancellable, TaskNotDeletable, TaskNotFound
from app.ledger.statements import array, rows, scalars
from app.task import Task, TaskState

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.task import NewTask

READS_BEFORE_GIVING_UP = 3


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A new task as Postgres has stored it: the instants that its clock decides."""

    id: str
    execute_at: datetime
    created_at: datetime


def insert(engine: Engine, new: Sequence[NewTask], *, answered: Sequence[str] | None = None) -> dict[str, Stored]:
    """Store new tasks, all or none; return what was stored by id, only of `answered` if given.

    The ids are ours, so nothing is stored twice when the statement is repeated.

    Raises:
        StatementRejected: Postgres refused a value, and nothing was stored.
        LedgerUnavailable: whether anything was stored is unknown.
    """
    parameters = {
        "tasks": msgspec.json.encode(new).decode(),
        "answered": None if answered is None else array(answered),
    }
    found = rows(engine, "insert", parameters, make=Stored)
    by_id = {each.id: each for each in found}
    wanted = [each.id for each in new] if answered is None else answered
    if unknown := [each for each in wanted if each not in by_id]:  # the first insert stored them
        by_id |= stored(engine, unknown)
    return by_id


def stored(engine: Engine, ids: Sequence[str]) -> dict[str, Stored]:
    """Return those of these tasks that are stored, by id."""
    return {each.id: each for each in rows(engine, "get_many", {"ids": array(ids)}, make=Stored)}


def get(engine: Engine, task_id: UUID | str) -> Task:
    """Return a task in any state.

    Raises:
        TaskNotFound: no such id.
    """
    for task in rows(engine, "get", {"id": task_id}, make=Task.from_row):
        return task
    raise TaskNotFound


def delete(engine: Engine, task_id: UUID) -> Task:
    """Delete a task that never began; repeating it returns the same.

    The update decides. If it changed nothing, the row tells why. If the row is `scheduled`, the task was handed back in
    between, and the update is tried again.

    Raises:
        TaskNotFound: no such id.
        TaskNotDeletable: its code has begun.
    """
    for _ in range(READS_BEFORE_GIVING_UP):
        for deleted in rows(engine, "delete", {"id": task_id}, make=Task.from_row):
            return deleted
        task = get(engine, task_id)
        if task.state is TaskState.DELETED:
            return task
        if task.state is not TaskState.SCHEDULED or task.attempt > 0:
            break
    raise TaskNotDeletable(state=task.state, attempt=task.attempt)


def cancel(engine: Engine, task_id: UUID) -> Task:
    """Cancel a task that has not begun, or request the worker of a running one to stop it; repeatable.

    Raises:
        TaskNotFound: no such id.
        TaskNotCancellable: it has ended otherwise.
    """
    for cancelled in rows(engine, "cancel", {"id": task_id}, make=Task.from_row):
        return cancelled
    task = get(engine, task_id)
    if task.state is TaskState.CANCELLED:
        return task
    raise TaskNotCancellable(state=task.state)


def show(engine: Engine, task_id: UUID) -> Task:
    """Return a task that is not deleted.

    Raises:
        TaskNotFound: no such id.
        TaskDeleted: with `deleted_at`.
    """
    task = get(engine, task_id)
    if task.deleted_at is not None:
        raise TaskDeleted(deleted_at=task.deleted_at)
    return task


def final_among(engine: Engine, ids: Sequence[str]) -> list[UUID]:
    """Return those of these tasks that have reached a final state."""
    return scalars(engine, "final_among", {"ids": array(ids)})


def next_scheduled(engine: Engine, types: Sequence[str] | None) -> Task | None:
    """Return the earliest scheduled task of these types (None: of all), due or not."""
    found = rows(engine, "next", {"types": None if types is None else list(types)}, make=Task.from_row)
    return found[0] if found else None
