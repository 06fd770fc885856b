"""How late tasks started according to the witness, counted from their instant or from a later creation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.history import History


def lateness(history: History) -> list[tuple[float, float]]:
    """Return (when it was due, lateness in ms) for each task that started, in order of time."""
    created_at = {each.task_id: each.at for each in history.changes if each.old is None}
    first: dict[str, float] = {}
    for sight in history.sights:
        if sight.what == "began" and sight.at < first.get(sight.task_id, math.inf):
            first[sight.task_id] = sight.at
    late = []
    for task_id, began_at in first.items():
        task = history.tasks.get(task_id)
        if task is not None:
            due = max(task.execute_at, created_at.get(task_id, 0.0))
            late.append((due, max(0.0, began_at - due) * 1000))  # 0 when Postgres' clock was set forward
    return sorted(late)


def calm_lateness(history: History) -> list[float]:
    """Return the sorted lateness in ms of tasks that were due in an interval without faults."""
    return sorted(ms for due, ms in lateness(history) if any(since <= due < until for since, until in history.calm))


def troubled_lateness(history: History) -> list[float]:
    """Return the sorted lateness in ms of all other tasks."""
    return sorted(ms for due, ms in lateness(history) if not any(since <= due < until for since, until in history.calm))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile of sorted values; 0 if there are none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
