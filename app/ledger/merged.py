"""Tasks of several states and types in one order: those of each lie in order in an index, and Postgres merges them.

No index holds all tasks in the order of time: it would be written at each change of a state. A filter on what is rare
reads only that, and no filter reads no more of each state and type than it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import column, func, literal_column, select, table, union_all

from app.ledger.statements import statement
from app.task import Task, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

TASKS: Any = table("tasks", *(column(name) for name in (*Task.__struct_fields__, "due_at")))
TASK_COLUMNS: list[Any] = [TASKS.c[name] for name in Task.__struct_fields__]
MOST_TOGETHER = 100  # planning takes longer for each


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks that lie together in an index, in the order of `place`, which is their execute_at."""

    where: Sequence[ColumnElement[bool]]
    place: ColumnElement[Any]


def groups(connection: Connection, states: Sequence[TaskState], types: Sequence[str]) -> Iterator[Group]:
    """All tasks in these states and of these types (none: of all types), in groups."""
    for state in dict.fromkeys(states):
        if state == TaskState.RUNNING:  # few: an index has them all
            yield Group([of_state(state), *of_types(types)], TASKS.c.execute_at)
            continue
        for each in dict.fromkeys(types) or types_in(connection, state):
            where = [of_state(state), TASKS.c.type == each]
            if state != TaskState.SCHEDULED:
                yield Group(where, TASKS.c.execute_at)
            else:
                # Those that never failed lie in the order in which they fall due, and that is execute_at.
                yield Group([*where, TASKS.c.next_attempt_at.is_(None)], TASKS.c.due_at)
                yield Group([*where, TASKS.c.next_attempt_at.is_not(None)], TASKS.c.execute_at)


def merged(
    some: Sequence[Group],
    columns: Sequence[Any],
    conditions: Callable[[ColumnElement[Any]], list[ColumnElement[bool]]],
    *,
    limit: int,
    latest_first: bool,
) -> Select[Any]:
    """The first so many of these groups; `columns` are of TASKS, execute_at and id among them.

    `conditions` makes what else must hold from the place in the order.
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


def some_at_a_time(found: Sequence[Group]) -> Iterator[Sequence[Group]]:
    """As many groups as one statement should merge."""
    return (found[at : at + MOST_TOGETHER] for at in range(0, len(found), MOST_TOGETHER))


def in_order(place: ColumnElement[Any], task_id: ColumnElement[Any], *, latest_first: bool) -> tuple[Any, Any]:
    """What to order by."""
    return (place.desc(), task_id.desc()) if latest_first else (place, task_id)


def of_state(state: TaskState) -> ColumnElement[bool]:
    """As a constant, by which the planner knows that a partial index serves."""
    return TASKS.c.state == literal_column(f"'{state.value}'")  # type: ignore[no-any-return]


def of_types(types: Sequence[str]) -> list[ColumnElement[bool]]:
    """No condition for no types."""
    return [TASKS.c.type.in_(types)] if types else []


def types_in(connection: Connection, state: TaskState) -> list[str]:
    """Which types there are in a state, other than running."""
    if state == TaskState.SCHEDULED:
        return list(connection.execute(select(column("type")).select_from(func.waiting_types())).scalars())
    return list(connection.exec_driver_sql(statement("types_in_state"), {"state": state.value}).scalars())
