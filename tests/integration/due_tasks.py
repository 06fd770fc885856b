"""Entries of the due set around one instant, and a short form of a promotion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import NAMESPACE_OID, uuid5

from app.broker.due_set import Route
from app.task import Due

if TYPE_CHECKING:
    from app.broker.due_set import DueSet

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOOP = Route("noop", "default", max_ids=10)


def id_of(name: str) -> str:
    return str(uuid5(NAMESPACE_OID, name))


NAMES = {id_of(name): name for name in "abc"}


def due(name: str, seconds: float, task_type: str = "noop") -> Due:
    return Due(id_of(name), task_type, NOW + timedelta(seconds=seconds))


def promote(due_set: DueSet, *routes: Route, at: float = 0) -> tuple[dict[str, list[str]], float]:
    promotion = due_set.promote(routes or [NOOP], now=NOW.timestamp() + at)
    return {
        each.type: [NAMES.get(task_id, task_id) for task_id in each.ids] for each in promotion.taken
    }, promotion.next_at
