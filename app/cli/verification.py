"""What became of recorded tasks, counted: the rules of `verify`, without any I/O."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from app.task import FINAL_STATES, TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.cli.record import Asked

MILLISECOND = timedelta(milliseconds=1)


class Seen(msgspec.Struct, frozen=True):
    """A task as the service lists it."""

    id: str
    type: str
    state: TaskState
    execute_at: datetime
    created_at: datetime
    started_at: datetime | None
    attempt: int
    max_attempts: int
    result: Any

    @property
    def is_final(self) -> bool:
        """Whether it is over."""
        return self.state in FINAL_STATES

    @property
    def line(self) -> str | None:
        """The line it printed, if it is of a type that tells."""
        told = self.result.get("output") if isinstance(self.result, dict) else None
        return told if isinstance(told, str) else None


@dataclass(slots=True)
class Report:
    """How many tasks were asked for, and how many of them are not as promised."""

    tasks: int = 0
    succeeded: int = 0
    failed: int = 0
    deleted: int = 0
    retried: int = 0
    missing: int = 0
    twice: int = 0
    early: int = 0
    unfinished: int = 0
    lag_p50_ms: float | None = None
    lag_p99_ms: float | None = None
    lag_max_ms: float | None = None

    @property
    def wrong(self) -> int:
        """How many broke a promise, or are not over."""
        return self.missing + self.twice + self.early + self.unfinished

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def judge(asked: Sequence[Asked], seen: Mapping[str, Seen]) -> Report:
    """Compare what was asked for with what the service says happened.

    Twice: begun more often than asked for; an attempt more, where the type allows several, is `retried`.
    Lag counts from the later of `execute_at` and `created_at`: nobody starts a task before it is asked for.
    """
    found = [(each, seen[each.id]) for each in asked if each.id in seen]
    states = Counter(task.state for _, task in found)
    lags = sorted(each for _, task in found if (each := lag_ms(task)) is not None)
    return Report(
        tasks=len(asked),
        succeeded=states[TaskState.SUCCEEDED],
        failed=states[TaskState.FAILED],
        deleted=states[TaskState.DELETED] + states[TaskState.CANCELLED],
        retried=sum(1 < task.attempt <= task.max_attempts for _, task in found),
        missing=len(asked) - len(found),
        twice=sum(task.attempt > 1 and task.max_attempts == 1 for _, task in found),
        early=sum(_is_early(each, task) for each, task in found),
        unfinished=sum(not task.is_final for _, task in found),
        lag_p50_ms=percentile(lags, 50),
        lag_p99_ms=percentile(lags, 99),
        lag_max_ms=percentile(lags, 100),
    )


def lag_ms(task: Seen) -> float | None:
    """How late it started, in milliseconds; None when it did not."""
    if task.started_at is None:
        return None
    return (task.started_at - max(task.execute_at, task.created_at)) / MILLISECOND


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The nearest rank of sorted values; None of nothing."""
    if not values:
        return None
    return round(values[max(0, math.ceil(len(values) * percent / 100) - 1)], 3)


def _is_early(asked: Asked, task: Seen) -> bool:
    """Begun before the time that was asked for, or that time was moved forward."""
    return task.execute_at < asked.execute_at or (task.started_at is not None and task.started_at < asked.execute_at)
