"""The rules of `verify`, without I/O: judge recorded tasks by their rows and by the lines that workers printed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from app.task import FINAL_STATES, TaskState
from tools.printed import LINES, NAMING_THE_ID, Printed
from tools.record import Submitted

MILLISECOND = timedelta(milliseconds=1)
NEVER_BEGAN = frozenset({TaskState.CANCELLED, TaskState.DELETED})


class ListedTask(msgspec.Struct, frozen=True):
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
        """Whether its state is final."""
        return self.state in FINAL_STATES

    @property
    def line(self) -> str | None:
        """The line that it printed, if its type writes that into the result."""
        output = self.result.get("output") if isinstance(self.result, dict) else None
        return output if isinstance(output, str) else None


@dataclass(slots=True)
class Report:
    """How many tasks were submitted, and how many of them are not as promised."""

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
        """How many broke a promise or are not final."""
        return self.missing + self.twice + self.early + self.unfinished

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for --json."""
        return asdict(self)


@dataclass(slots=True)
class LineReport:
    """How many lines are expected, absent, printed twice, or printed by a task that never began."""

    expected: int = 0
    absent: int = 0
    twice: int = 0
    impossible: int = 0

    @property
    def wrong(self) -> int:
        """How many lines are not as promised."""
        return self.absent + self.twice + self.impossible

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for --json."""
        return asdict(self)


def judge(submitted: Sequence[Submitted], listed: Mapping[str, ListedTask]) -> Report:
    """Compare submitted tasks with what the service lists.

    `twice`: started although the type allows one attempt only and that was used. Where a type allows several, a task
    that started again is `retried`. Lag counts from the later of `execute_at` and `created_at`.
    """
    found = [(each, listed[each.id]) for each in submitted if each.id in listed]
    states = Counter(task.state for _, task in found)
    lags = sorted(each for _, task in found if (each := lag_ms(task)) is not None)
    return Report(
        tasks=len(submitted),
        succeeded=states[TaskState.SUCCEEDED],
        failed=states[TaskState.FAILED],
        deleted=states[TaskState.DELETED] + states[TaskState.CANCELLED],
        retried=sum(1 < task.attempt <= task.max_attempts for _, task in found),
        missing=len(submitted) - len(found),
        twice=sum(task.attempt > 1 and task.max_attempts == 1 for _, task in found),
        early=sum(_is_early(each, task) for each, task in found),
        unfinished=sum(not task.is_final for _, task in found),
        lag_p50_ms=percentile(lags, 50),
        lag_p99_ms=percentile(lags, 99),
        lag_max_ms=percentile(lags, 100),
    )


def compare(tasks: Iterable[ListedTask], printed: Printed, begun: Mapping[str, int]) -> LineReport:
    """Compare listed tasks with printed lines.

    Lines with an id are compared one by one. The others are counted: each line at least as often as the results of
    listed tasks name it, all lines of a type at most as often as `begun`, the tasks of the type that began in the
    whole service. Where all tasks of a type are listed, that is equality.
    """
    known = list(tasks)
    covered = [each for each in known if each.state is TaskState.SUCCEEDED and printed.covers(each.started_at)]
    expected = Counter(each.line for each in covered if each.type in LINES and each.line)
    report = LineReport(expected=expected.total(), absent=(expected - printed.lines).total())
    with_id = {f"{each.type.capitalize()} {each.id}": each for each in known if each.type in NAMING_THE_ID}
    for line, task in with_id.items():
        times = printed.lines[line]
        report.twice += max(0, times - max(task.attempt, 1))
        report.impossible += times > 0 and task.attempt == 0 and task.state in NEVER_BEGAN
    for name in LINES.keys() - NAMING_THE_ID:
        report.twice += max(0, printed.of_type(name).total() - begun.get(name, 0))
    return report


def lag_ms(task: ListedTask) -> float | None:
    """Return how late a task started, in milliseconds; None if it did not start."""
    if task.started_at is None:
        return None
    return (task.started_at - max(task.execute_at, task.created_at)) / MILLISECOND


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Return the nearest rank in sorted values; None if there are none."""
    if not values:
        return None
    return round(values[max(0, math.ceil(len(values) * percent / 100) - 1)], 3)


def _is_early(submitted: Submitted, task: ListedTask) -> bool:
    """Return whether a task started before the requested instant, or its instant was moved forward."""
    started_early = task.started_at is not None and task.started_at < submitted.execute_at
    return started_early or task.execute_at < submitted.execute_at
