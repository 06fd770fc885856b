"""What the sweeper asks: what is due, and what did dead workers hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.ledger.statements import fetch
from app.task import EPOCH, Due

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

FORGOTTEN_AFTER_S = 60.0  # beyond its timeout: more than a living worker needs to say how a task ended


@dataclass(frozen=True, slots=True)
class Rescued:
    """A task taken from a dead worker; `again_at` is None when it failed for good."""

    id: str
    type: str
    again_at: datetime | None
    worker_id: str


def clock(engine: Engine) -> datetime:
    """What time it is, by the only clock that decides."""
    now: datetime = fetch(engine, "clock")[0][0]
    return now


def beginning(task_type: str, at: datetime = EPOCH) -> Due:
    """The place before all tasks of a type that are due at that instant or later."""
    return Due("00000000-0000-0000-0000-000000000000", task_type, at)


def due_between(engine: Engine, *, after: Due, until: datetime, limit: int) -> list[Due]:
    """Scheduled tasks of the type of `after`, due later than that place and before `until`: one page in order."""
    page = {"type": after.type, "after": after.at, "after_id": after.id, "until": until, "limit": limit}
    return [Due(*row) for row in fetch(engine, "due_between", page)]


def types_due(engine: Engine, *, until: datetime) -> dict[str, datetime]:
    """The types of which something is scheduled and due before `until`, and when its first is; the earliest first."""
    return dict(fetch(engine, "types_due", {"until": until}))


def rescue(engine: Engine, *, dead_after_s: float, limit: int) -> list[Rescued]:
    """Settle up to `limit` running tasks whose worker is dead, or has forgotten them."""
    silence = {"dead_after_s": dead_after_s, "forgotten_after_s": FORGOTTEN_AFTER_S}
    rows = fetch(engine, "rescue", {**silence, "limit": limit})
    return [Rescued(id=row[0], type=row[1], again_at=row[3], worker_id=row[4]) for row in rows]
