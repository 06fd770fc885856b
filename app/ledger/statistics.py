"""Counts of tasks and how late they started. The cost of each number is bounded, however large the table is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import array

from app.ledger.calls import Effect, call
from app.ledger.index_merge import TASKS, groups, merge_groups
from app.ledger.statements import rows, scalars
from app.task import TaskState

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Select

    from app.ledger.index_merge import Group

COUNTED_UP_TO = 10_000
BEGUN = (TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED)
SHARES = [0.5, 0.95, 0.99]
LATELY_S = 900.0

ByState = dict[TaskState, int]


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of tasks; COUNTED_UP_TO means that many or more. `of_type` has the types that were asked for."""

    by_state: ByState
    of_type: dict[str, ByState]


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late `tasks` tasks started that were due at `since` or later: milliseconds, None when none started."""

    tasks: int
    since: datetime | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How late tasks started that fell due in the last LATELY_S seconds: the latest COUNTED_UP_TO, and by type.

    `early_total` counts starts before their time, of all tasks that are stored.
    """

    of_all: Lateness
    by_type: dict[str, Lateness]
    early_total: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """Scheduled tasks that should have started (COUNTED_UP_TO: or more), and how late the oldest is; 0 for none."""

    tasks: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class _Count:
    """How many tasks of one type (None: of all) are in one state."""

    state: str
    type: str | None
    number: int


def count(engine: Engine, types: Sequence[str]) -> Counts:
    """Count all tasks by state, and those of each of these types; zeros are left out."""
    found: defaultdict[str | None, ByState] = defaultdict(dict)
    for each in rows(engine, "task_counts", {"types": list(types), "most": COUNTED_UP_TO}, make=_Count):
        if each.number:
            found[each.type][TaskState(each.state)] = each.number
    return Counts(found[None], {name: found[name] for name in types if name in found})


def punctuality(engine: Engine) -> Punctuality:
    """Return how late tasks started in the last LATELY_S seconds."""

    def read(connection: Connection) -> Sequence[Any]:
        return connection.execute(_lately(list(groups(connection, BEGUN, ())))).fetchall()

    answer = call(engine, read, Effect.READ)
    found = {row.type: Lateness(row.tasks, row.since, *(row.shares or (None, None, None))) for row in answer}
    return Punctuality(found.pop(None), found, early_total(engine))


def _lately(begun: Sequence[Group]) -> Select[Any]:
    """Select how late the latest started tasks were, for all together (type is null) and by type.

    An index scan can begin at now(); clock_timestamp() would be compared with every row.
    """
    since = func.now() - timedelta(seconds=LATELY_S)
    columns = [TASKS.c.type, TASKS.c.execute_at, TASKS.c.id, TASKS.c.lag_ms]
    recent = merge_groups(
        begun, columns, lambda place: [place.between(since, func.now())], limit=COUNTED_UP_TO, latest_first=True
    ).subquery()
    late = func.percentile_cont(array(SHARES)).within_group(recent.c.lag_ms)
    by_type = func.grouping_sets(tuple_(), tuple_(recent.c.type))
    asked = select(
        recent.c.type,
        func.count().label("tasks"),
        func.min(recent.c.execute_at).label("since"),
        late.label("shares"),
    ).where(recent.c.lag_ms.is_not(None))
    return asked.group_by(by_type)


def early_total(engine: Engine) -> int:
    """Count starts before their time, of all tasks that are stored; COUNTED_UP_TO: or more."""
    return int(scalars(engine, "early_total", {"most": COUNTED_UP_TO})[0])


def overdue(engine: Engine) -> Overdue:
    """Count the scheduled tasks that should have started."""
    return rows(engine, "overdue_count", {"most": COUNTED_UP_TO}, make=Overdue)[0]
