"""Statements of the sweeper and of housekeeping: due tasks, tasks of dead workers, retention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app import outcome
from app.ledger.claims import outcome_arrays
from app.ledger.statements import execute, rows, scalars
from app.task import EARLIEST, Due, LostAttempt, TaskState

if TYPE_CHECKING:
    from sqlalchemy import Engine

FORGOTTEN_AFTER_S = 60.0  # after its timeout; a live worker reports an outcome sooner
ENDED = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)
WORKER_LOST = ("worker_lost", "The worker that ran this task disappeared.")


@dataclass(frozen=True, slots=True)
class Rescued:
    """A task taken from a dead worker; `again_at` is None when it is not tried again."""

    id: str
    type: str
    again_at: datetime | None
    worker_id: str


def page_start(task_type: str, at: datetime = EARLIEST) -> Due:
    """Return the place before all tasks of a type that are due at that instant or later."""
    return Due("00000000-0000-0000-0000-000000000000", task_type, at)


def due_between(engine: Engine, *, after: Due, until: datetime, limit: int) -> list[Due]:
    """Return one page, in order, of scheduled tasks of the type of `after`, due after that place and before `until`."""
    page = {"type": after.type, "after": after.at, "after_id": after.id, "until": until, "limit": limit}
    return rows(engine, "due_between", page, make=Due)


def types_due(engine: Engine, *, until: datetime) -> dict[str, datetime]:
    """Return the types that have a scheduled task due before `until`, and when their first is; earliest first."""
    return dict(rows(engine, "types_due", {"until": until}, make=_first))


def rescue(engine: Engine, *, dead_after_s: float, limit: int) -> list[Rescued]:
    """End the attempts of up to `limit` running tasks whose worker is dead, or that are long past their timeout.

    Each is a failed attempt. Tasks that another sweeper rescues meanwhile are left out.
    """
    silence = {"dead_after_s": dead_after_s, "forgotten_after_s": FORGOTTEN_AFTER_S}
    lost = rows(engine, "lost", {**silence, "limit": limit}, make=LostAttempt)
    if not lost:
        return []
    outcomes = [outcome.failed(each, *WORKER_LOST) for each in lost]
    return rows(engine, "rescue", silence | outcome_arrays(outcomes), make=Rescued)


def purge_final(engine: Engine, *, older_than_s: float, limit: int) -> int:
    """Delete up to `limit` tasks that have been final for that long; return how many."""
    bounds = {"older_than_s": older_than_s}
    removed = execute(engine, "purge_deleted", bounds | {"limit": limit})
    for state in ENDED:
        for task_type in scalars(engine, "types_in_state", {"state": state}):
            if removed < limit:
                of_one = {"state": state, "type": task_type, "limit": limit - removed}
                removed += execute(engine, "purge_tasks", bounds | of_one)
    return removed


def _first(*, type: str, first_at: datetime) -> tuple[str, datetime]:  # noqa: A002  # the name of the column
    return type, first_at
