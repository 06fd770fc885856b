"""Merges index ranges. An index has the tasks of each state and type in order, and Postgres merges these ranges.

No index holds all tasks in the order of time, because each change of a state would write it. A filter on a rare state
or type reads nothing else. Without a filter, it reads no more of each state and type than the page needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import column, func, literal_column, select, table, union_all

from app.ledger.statements import statement
from app.task import Task, TaskState

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

TASKS: Any = table("tasks", *(column(name) for name in (*Task.__struct_fields__, "due_at")))
TASK_COLUMNS: list[Any] = [TASKS.c[name] for name in Task.__struct_fields__]
MAX_GROUPS = 100  # per statement, because each adds to its planning time


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks that are adjacent in an index, in the order of `place`, which equals their execute_at."""

    where: Sequence[ColumnElement[bool]]
    place: ColumnElement[Any]


def groups(connection: Connection, states: Sequence[TaskState], types: Sequence[str]) -> Iterator[Group]:
    """Return all tasks in these states and of these types (none: of all types), as groups."""
    for state in dict.fromkeys(states):
        if state == TaskState.RUNNING:  # few, and in one index
            yield Group([of_state(state), *of_types(types)], TASKS.c.execute_at)
            continue
        for each in dict.fromkeys(types) or types_in(connection, state):
            where = [of_state(state), TASKS.c.type == each]
            if state != TaskState.SCHEDULED:
                yield Group(where, TASKS.c.execute_at)
            else:
                # Tasks that never failed are due at their execute_at.
                yield Group([*where, TASKS.c.next_attempt_at.is_(None)], TASKS.c.due_at)
                yield Group([*where, TASKS.c.next_attempt_at.is_not(None)], TASKS.c.execute_at)


def merge_groups(
    some: Sequence[Group],
    columns: Sequence[Any],
    conditions: Callable[[ColumnElement[Any]], list[ColumnElement[bool]]],
    *,
    limit: int,
    latest_first: bool,
) -> Select[Any]:
    """Select the first `limit` tasks of these groups; `columns` are columns of TASKS, execute_at and id included.

    `conditions` returns further conditions; its argument is the column that gives the order of a group.
    """
    pages = [
        select(*columns)
        .where(*each.where, *conditions(each.place))
        .order_by(*in_order(each.place, TASKS.c.id, latest_first=latest_first))
        .limit(limit)
        for each in some
    ]
    rows = union_all(*(select(each.subquery()) for each in pages)).subquery()
    return select(rows).order_by(*in_order(rows.c.execute_at, rows.c.id, latest_first=latest_first)).limit(limit)


def batched(found: Sequence[Group]) -> Iterator[Sequence[Group]]:
    """Split groups into batches that one statement can merge."""
    return (found[at : at + MAX_GROUPS] for at in range(0, len(found), MAX_GROUPS))


def in_order(place: ColumnElement[Any], task_id: ColumnElement[Any], *, latest_first: bool) -> tuple[Any, Any]:
    """Return the columns to order by."""
    return (place.desc(), task_id.desc()) if latest_first else (place, task_id)


def of_state(state: TaskState) -> ColumnElement[bool]:
    """Compare with a literal, not with a parameter, so that the planner can use a partial index."""
    return TASKS.c.state == literal_column(f"'{state.value}'")  # type: ignore[no-any-return]


def of_types(types: Sequence[str]) -> list[ColumnElement[bool]]:
    """Return the condition on the types; none without types."""
    return [TASKS.c.type.in_(types)] if types else []


def types_in(connection: Connection, state: TaskState) -> list[str]:
    """Return the types that occur in a state other than running."""
    if state == TaskState.SCHEDULED:
        return list(connection.execute(select(column("type")).select_from(func.waiting_types())).scalars())
    return list(connection.exec_driver_sql(statement("types_in_state"), {"state": state.value}).scalars())
