"""Statements of the sweeper and of housekeeping: due tasks, tasks of dead workers, retention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class RunningAttempt:
    """A running attempt, and how many seconds it may run without a new lease.

    `is_expired`: its lease has ended by Postgres' clock, which may have been set.
    """

    id: str
    token: str
    lease_expires_at: datetime | None
    lasts_s: float
    is_expired: bool


@dataclass(frozen=True, slots=True)
class Silent:
    """Workers and attempts whose heartbeat or lease has not changed for too long. Heartbeats are keyed by worker id."""

    heartbeats: Mapping[str, datetime] = field(default_factory=dict)
    attempts: Sequence[RunningAttempt] = ()


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


def running(engine: Engine) -> list[RunningAttempt]:
    """Return the running attempts that the sweeper has to watch."""
    return rows(engine, "running", {"forgotten_after_s": FORGOTTEN_AFTER_S}, make=RunningAttempt)


def rescue(engine: Engine, silent: Silent, *, limit: int) -> list[Rescued]:
    """End up to `limit` attempts that are silent, or whose worker is silent or has no row.

    Each counts as a failed attempt. Attempts that another sweeper rescues meanwhile, or whose heartbeat or lease
    changes, are skipped.
    """
    watched = {
        "silent_ids": list(silent.heartbeats),
        "silent_since": list(silent.heartbeats.values()),
        "over_ids": [each.id for each in silent.attempts],
        "over_tokens": [each.token for each in silent.attempts],
        "over_leases": [each.lease_expires_at for each in silent.attempts],
    }
    lost = rows(engine, "lost", watched | {"limit": limit}, make=LostAttempt)
    if not lost:
        return []
    outcomes = [outcome.failed(each, *WORKER_LOST) for each in lost]
    return rows(engine, "rescue", watched | outcome_arrays(outcomes), make=Rescued)


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
