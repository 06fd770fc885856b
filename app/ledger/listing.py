"""Lists of tasks: filters that combine, a fixed order, a cursor that resumes it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import and_, column, literal_column, or_, select, table

from app.errors import InvalidInput
from app.ledger.silence import connected
from app.ledger.statements import refusing
from app.ledger.tasks import as_task

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine, Select

    from app.task import Task, TaskState

COLUMNS = (
    "id", "type", "state", "execute_at", "payload", "timeout_s", "attempt", "max_attempts", "next_attempt_at",
    "created_at", "started_at", "finished_at", "deleted_at", "lag_ms", "worker_id", "result", "error",
)  # fmt: skip
TASKS: Any = table("tasks", *(column(name) for name in COLUMNS))
CURSOR_BYTES = 32
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tasks: all conditions given must hold. `since <= execute_at < until`.

    `id_from`, `id_to`: ids in this range (both ends included). Deleted tasks are listed only when asked for by state.
    """

    states: tuple[TaskState, ...] = ()
    types: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    id_from: UUID | None = None
    id_to: UUID | None = None
    latest_first: bool = False

    def digest(self) -> bytes:
        """Eight bytes that tell this filter from another: a cursor belongs to one filter."""
        return hashlib.sha256(repr(self).encode()).digest()[:8]


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks in order, and where the next page begins (None on the last one)."""

    tasks: list[Task]
    next_cursor: str | None


def list_tasks(engine: Engine, wanted: Filter, *, limit: int, cursor: str | None = None) -> Page:
    """One page of tasks in the order of (execute_at, id).

    Raises:
        InvalidInput: a cursor that is not one of this filter's.
        LedgerAway: Postgres did not answer in time.
    """
    statement = _statement(wanted, limit=limit + 1, after=_read_cursor(cursor, wanted) if cursor else None)
    with refusing(), connected(engine) as connection:
        rows = connection.execute(statement).fetchall()
    tasks = [as_task(row) for row in rows[:limit]]
    return Page(tasks, _cursor(tasks[-1], wanted) if len(rows) > limit else None)


def _statement(wanted: Filter, *, limit: int, after: tuple[datetime, UUID] | None) -> Select[Any]:
    conditions = _conditions(wanted)
    at, task_id = TASKS.c.execute_at, TASKS.c.id
    if after and wanted.latest_first:
        conditions.append(or_(at < after[0], and_(at == after[0], task_id < after[1])))
        conditions.append(at <= after[0])
    elif after:
        conditions.append(or_(at > after[0], and_(at == after[0], task_id > after[1])))
        conditions.append(at >= after[0])
    order = (at.desc(), task_id.desc()) if wanted.latest_first else (at, task_id)
    return select(*TASKS.c).where(*conditions).order_by(*order).limit(limit)


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    task = TASKS.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.states:
        conditions.append(task.state.in_([state.value for state in wanted.states]))
    else:
        conditions.append(task.state != literal_column("'deleted'"))
    if wanted.types:
        conditions.append(task.type.in_(wanted.types))
    if wanted.since:
        conditions.append(task.execute_at >= wanted.since)
    if wanted.until:
        conditions.append(task.execute_at < wanted.until)
    if wanted.id_from and wanted.id_to:
        conditions.append(task.id.between(wanted.id_from, wanted.id_to))
    return conditions


def _cursor(last: Task, wanted: Filter) -> str:
    micros = (last.execute_at - EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(wanted.digest() + micros.to_bytes(8, "big", signed=True) + last.id.bytes).decode()


def _read_cursor(cursor: str, wanted: Filter) -> tuple[datetime, UUID]:
    refusal = InvalidInput(fields={"cursor": "Not a cursor of this list: take it from `next_cursor` as it is."})
    try:
        packed = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        if len(packed) != CURSOR_BYTES or packed[:8] != wanted.digest():
            raise refusal
        at = EPOCH + timedelta(microseconds=int.from_bytes(packed[8:16], "big", signed=True))
        return at, UUID(bytes=packed[16:])
    except (ValueError, OverflowError):
        raise refusal from None
