"""A task's own row: insert it, get it, delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from app.errors import TaskDeleted, TaskNotDeletable, TaskNotFound
from app.ledger.arrays import array
from app.ledger.statements import fetch
from app.task import NewTask, Task, TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Engine

READS_BEFORE_GIVING_UP = 3


def insert(engine: Engine, new: Sequence[NewTask]) -> dict[str, tuple[datetime, datetime]]:
    """Keep new tasks, all or none; `(execute_at, created_at)` of each that was not kept before."""
    rows = fetch(engine, "insert", {"tasks": msgspec.json.encode(new).decode()})
    return {row[0]: (row[1], row[2]) for row in rows}


def insert_together(engine: Engine, new: Sequence[NewTask]) -> dict[str, datetime]:
    """Keep new tasks, all or none; when those are due whose time is counted from Postgres' clock."""
    delayed = [each.id for each in new if each.execute_at is None]
    return dict(fetch(engine, "insert_together", {"tasks": msgspec.json.encode(new).decode(), "delayed": delayed}))


def kept(engine: Engine, ids: Sequence[str]) -> dict[str, tuple[datetime, datetime]]:
    """Which of these are in the ledger, with `(execute_at, created_at)`."""
    rows = fetch(engine, "get_many", {"ids": array(ids)})
    return {row[0]: (row[1], row[2]) for row in rows}


def get(engine: Engine, task_id: UUID) -> Task:
    """The task, whatever its state.

    Raises:
        TaskNotFound: no such id.
    """
    rows = fetch(engine, "get", {"id": task_id})
    if not rows:
        raise TaskNotFound
    return as_task(rows[0])


def delete(engine: Engine, task_id: UUID) -> Task:
    """Delete a task that never began; a second time answers the same.

    The update decides. When it changed nothing, the row says why; when the row says `scheduled`, it was handed back
    in between, and the update is tried again.

    Raises:
        TaskNotFound: no such id.
        TaskNotDeletable: its code has begun.
    """
    for _ in range(READS_BEFORE_GIVING_UP):
        rows = fetch(engine, "delete", {"id": task_id})
        if rows:
            return as_task(rows[0])
        task = get(engine, task_id)
        if task.state is TaskState.DELETED:
            return task
        if task.state is not TaskState.SCHEDULED or task.attempt > 0:
            break
    raise TaskNotDeletable(state=task.state, attempt=task.attempt)


def show(engine: Engine, task_id: UUID) -> Task:
    """The task, unless it was deleted.

    Raises:
        TaskNotFound: no such id.
        TaskDeleted: with `deleted_at`.
    """
    task = get(engine, task_id)
    if task.deleted_at is not None:
        raise TaskDeleted(deleted_at=task.deleted_at)
    return task


def next_scheduled(engine: Engine, types: Sequence[str] | None) -> Task | None:
    """The earliest scheduled task of these types (None: of all), due or not."""
    rows = fetch(engine, "next", {"types": None if types is None else list(types)})
    return as_task(rows[0]) if rows else None


def as_task(row: Any) -> Task:
    """A row in the order of `sql/get.sql` as a Task."""
    return Task(
        id=row[0],
        type=row[1],
        state=TaskState(row[2]),
        execute_at=row[3],
        payload=row[4],
        timeout_s=row[5],
        attempt=row[6],
        max_attempts=row[7],
        next_attempt_at=row[8],
        created_at=row[9],
        started_at=row[10],
        finished_at=row[11],
        deleted_at=row[12],
        lag_ms=row[13],
        worker_id=row[14],
        result=row[15],
        error=row[16],
    )
