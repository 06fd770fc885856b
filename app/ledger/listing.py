"""Lists of tasks: filters that combine, a fixed order, a cursor that resumes it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import literal, or_, select, tuple_

from app.errors import InvalidInput
from app.ledger.calls import Effect, call
from app.ledger.index_merge import TASK_COLUMNS, TASKS, batched, groups, in_order, merge_groups, of_state, of_types
from app.ledger.statements import statement
from app.task import EPOCH, Task, TaskState

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine, Select

NOT_DELETED = tuple(state for state in TaskState if state != TaskState.DELETED)
MAX_SORTED = 100_000  # of ids that are sorted; counting and sorting 65,000 takes about 45 ms
ONE_SNAPSHOT = {"isolation_level": "REPEATABLE READ"}  # a task that changes its state meanwhile is listed once
CURSOR_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Conditions on tasks, all of which must hold. `since <= execute_at < until`.

    `id_from` and `id_to` include both ends. Deleted tasks are listed only if `states` names them.
    """

    states: tuple[TaskState, ...] = ()
    types: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    id_from: UUID | None = None
    id_to: UUID | None = None
    latest_first: bool = False

    def fingerprint(self) -> bytes:
        """Return eight bytes that identify this filter: a cursor belongs to one filter."""
        return hashlib.sha256(repr(self).encode()).digest()[:8]


@dataclass(frozen=True, slots=True)
class Page:
    """Tasks in order, and the cursor of the next page (None on the last one)."""

    tasks: list[Task]
    next_cursor: str | None


def list_tasks(engine: Engine, wanted: Filter, *, limit: int, cursor: str | None = None) -> Page:
    """Return one page of tasks in the order of (execute_at, id).

    Raises:
        InvalidInput: the cursor does not belong to this filter.
        LedgerUnavailable: Postgres did not answer in time.
    """
    after = _read_cursor(cursor, wanted) if cursor else None

    def read(connection: Connection) -> list[Sequence[Any]]:
        with connection.execution_options(**ONE_SNAPSHOT).begin():
            statements = _statements(connection, wanted, limit=limit + 1, after=after)
            return [connection.execute(each).mappings().all() for each in statements]

    pages = call(engine, read, Effect.READ)
    rows = pages[0] if len(pages) == 1 else _first_of(pages, wanted)
    tasks = [Task.from_row(**row) for row in rows[:limit]]
    return Page(tasks, cursor_after(tasks[-1], wanted) if len(rows) > limit else None)


def cursor_after(last: Task, wanted: Filter) -> str:
    """Return the cursor of the page that follows this task."""
    micros = (last.execute_at - EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(
        wanted.fingerprint() + micros.to_bytes(8, "big", signed=True) + last.id.bytes
    ).decode()


def _statements(
    connection: Connection, wanted: Filter, *, limit: int, after: tuple[datetime, UUID] | None
) -> list[Select[Any]]:
    """Return the statements of a page, each of which selects its first `limit` tasks; several only for many types."""
    states = wanted.states or NOT_DELETED
    conditions = partial(_conditions, wanted, after)
    if _is_narrow(connection, wanted):
        narrow = select(TASKS.c.id).where(or_(*map(of_state, states)), *of_types(wanted.types))
        narrow = narrow.where(*conditions(TASKS.c.execute_at))
        place = in_order(TASKS.c.execute_at, TASKS.c.id, latest_first=wanted.latest_first)
        first = narrow.order_by(*place).limit(limit).subquery()  # only ids are sorted, not rows
        return [select(*TASK_COLUMNS).join_from(first, TASKS, TASKS.c.id == first.c.id).order_by(*place)]
    return [
        merge_groups(some, TASK_COLUMNS, conditions, limit=limit, latest_first=wanted.latest_first)
        for some in batched(list(groups(connection, states, wanted.types)))
    ]


def _is_narrow(connection: Connection, wanted: Filter) -> bool:
    """Return whether few tasks have an id in the range: these are read by their ids, and sorted."""
    if not wanted.id_from:
        return False
    asked = {"first": wanted.id_from, "last": wanted.id_to, "most": MAX_SORTED + 1}
    return int(connection.exec_driver_sql(statement("ids_between"), asked).scalar_one()) <= MAX_SORTED


def _conditions(
    wanted: Filter, after: tuple[datetime, UUID] | None, place: ColumnElement[Any]
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since:
        conditions.append(place >= wanted.since)
    if wanted.until:
        conditions.append(place < wanted.until)
    if wanted.id_from and wanted.id_to:
        conditions.append(TASKS.c.id.between(wanted.id_from, wanted.id_to))
    if after:
        here, reached = tuple_(place, TASKS.c.id), tuple_(*map(literal, after))
        conditions.append(here < reached if wanted.latest_first else here > reached)
    return conditions


def _first_of(pages: list[Sequence[Any]], wanted: Filter) -> list[Any]:
    """Return the rows of all pages in one order."""
    return sorted(
        chain.from_iterable(pages), key=lambda row: (row["execute_at"], row["id"]), reverse=wanted.latest_first
    )


def _read_cursor(cursor: str, wanted: Filter) -> tuple[datetime, UUID]:
    refusal = InvalidInput(fields={"cursor": "Not a cursor of this list: take it from `next_cursor` as it is."})
    try:
        packed = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        if len(packed) != CURSOR_BYTES or packed[:8] != wanted.fingerprint():
            raise refusal
        at = EPOCH + timedelta(microseconds=int.from_bytes(packed[8:16], "big", signed=True))
        return at, UUID(bytes=packed[16:])
    except (ValueError, OverflowError):
        raise refusal from None
