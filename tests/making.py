"""Helpers that create tasks for tests and read the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.task import NewTask, Task

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.operations import Operations

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NOWHERE = {"DATABASE_URL": "postgresql://nobody:x@127.0.0.1:9/none", "REDIS_URL": "redis://127.0.0.1:9"}
"""URLs at which no server listens."""


def ahead(seconds: float) -> datetime:
    """Return the instant that many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def new_task(task_type: str = "noop", *, at: datetime = LONG_AGO, max_attempts: int = 1, **payload: Any) -> NewTask:
    """Return a task to create, by default an overdue one."""
    return NewTask(
        id=str(uuid7()),
        type=task_type,
        execute_at=at,
        delay_s=None,
        payload=msgspec.Raw(msgspec.json.encode(payload)),
        timeout_s=5.0,
        max_attempts=max_attempts,
    )


def make(operations: Operations, count: int = 1, task_type: str = "noop", **fields: Any) -> list[Task]:
    """Create tasks and return them."""
    created = operations.create([new_task(task_type, **fields) for _ in range(count)])
    assert all(isinstance(each, Task) for each in created)
    return [each for each in created if isinstance(each, Task)]


def ids(tasks: list[Task]) -> list[str]:
    """Return the ids of tasks as text, the form that Redis uses."""
    return [str(each.id) for each in tasks]


def change(engine: Engine, task_id: UUID, assignments: str) -> None:
    """Update a row without the ledger, as a bug or a person could."""
    with engine.connect() as connection:
        connection.execute(text(f"UPDATE tasks SET {assignments} WHERE id = :id"), {"id": task_id})


def counted(engine: Engine) -> dict[tuple[str, str], int]:
    """Return the number of tasks by (type, state)."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT type, state, count(*) FROM tasks GROUP BY type, state"))
        return {(row[0], row[1]): row[2] for row in rows}
