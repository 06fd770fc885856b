"""Lists of tasks: filters that combine, a fixed order, a cursor that resumes it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import column, literal, literal_column, select, table, tuple_, union_all

from app.errors import InvalidInput
from app.ledger.silence import connected
from app.ledger.statements import refusing, statement
from app.ledger.tasks import as_task
from app.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Engine, Select

    from app.task import Task

    Group = tuple[TaskState, Sequence[str]]

COLUMNS = (
    "id", "type", "state", "execute_at", "payload", "timeout_s", "attempt", "max_attempts", "next_attempt_at",
    "created_at", "started_at", "finished_at", "deleted_at", "lag_ms", "worker_id", "result", "error",
)  # fmt: skip
TASKS: Any = table("tasks", *(column(name) for name in COLUMNS))
NOT_DELETED = tuple(state for state in TaskState if state != TaskState.DELETED)
MOST_GROUPS = 200
ONE_VIEW = {"isolation_level": "REPEATABLE READ"}  # a task that changes its state meanwhile is in one of the two
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
    after = _read_cursor(cursor, wanted) if cursor else None
    with refusing(), connected(engine) as connection, connection.execution_options(**ONE_VIEW).begin():
        groups = _groups(connection, wanted)
        rows = connection.execute(_statement(wanted, groups, limit=limit + 1, after=after)).fetchall()
    tasks = [as_task(row) for row in rows[:limit]]
    return Page(tasks, cursor_after(tasks[-1], wanted) if len(rows) > limit else None)


def cursor_after(last: Task, wanted: Filter) -> str:
    """Where the next page begins when this task is the last one of a page."""
    micros = (last.execute_at - EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(wanted.digest() + micros.to_bytes(8, "big", signed=True) + last.id.bytes).decode()


def _groups(connection: Connection, wanted: Filter) -> list[Group]:
    """The states and types to look at one by one; none where one walk in the order of time finds enough at once."""
    if wanted.id_from or not (wanted.states or wanted.types):
        return []
    groups: list[Group] = []
    for state in wanted.states or NOT_DELETED:
        if state == TaskState.RUNNING:
            groups.append((state, wanted.types))  # few: an index has them all
        else:
            groups += [(state, (each,)) for each in wanted.types or _types_in(connection, state)]
    return groups if len(groups) <= MOST_GROUPS else []


def _types_in(connection: Connection, state: TaskState) -> list[str]:
    return [row[0] for row in connection.exec_driver_sql(statement("types_in_state"), {"state": state.value})]


def _statement(wanted: Filter, groups: list[Group], *, limit: int, after: tuple[datetime, UUID] | None) -> Select[Any]:
    """Each group lies in order in an index; Postgres merges them, and reads no more of each than it needs.

    A filter on a state or a type that is rare would otherwise read millions of rows to find a hundred.
    """
    conditions, order = _conditions(wanted, after), _order(wanted, TASKS)
    if not groups:
        conditions += _of_states(wanted.states) + _of_types(wanted.types)
        return select(*TASKS.c).where(*conditions).order_by(*order).limit(limit)
    pages = [
        select(*TASKS.c)
        .where(TASKS.c.state == state.value, *_of_types(types), *conditions)
        .order_by(*order)
        .limit(limit)
        for state, types in groups
    ]
    merged = union_all(*(select(each.subquery()) for each in pages)).subquery()
    return select(merged).order_by(*_order(wanted, merged)).limit(limit)


def _conditions(wanted: Filter, after: tuple[datetime, UUID] | None) -> list[ColumnElement[bool]]:
    task = TASKS.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.since:
        conditions.append(task.execute_at >= wanted.since)
    if wanted.until:
        conditions.append(task.execute_at < wanted.until)
    if wanted.id_from and wanted.id_to:
        conditions.append(task.id.between(wanted.id_from, wanted.id_to))
    if after:
        place, reached = tuple_(task.execute_at, task.id), tuple_(*map(literal, after))
        conditions.append(place < reached if wanted.latest_first else place > reached)
    return conditions


def _of_states(states: tuple[TaskState, ...]) -> list[ColumnElement[bool]]:
    if not states:
        return [TASKS.c.state != literal_column("'deleted'")]
    return [TASKS.c.state.in_([state.value for state in states])]


def _of_types(types: Sequence[str]) -> list[ColumnElement[bool]]:
    return [TASKS.c.type.in_(types)] if types else []


def _order(wanted: Filter, rows: Any) -> tuple[Any, Any]:
    place = (rows.c.execute_at, rows.c.id)
    return (place[0].desc(), place[1].desc()) if wanted.latest_first else place


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
