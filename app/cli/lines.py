"""Compares the lines that workers printed with the tasks that succeeded: each line there, and once."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from app.cli.printed import LINES, NAMING_THE_ID
from app.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.cli.printed import Printed
    from app.cli.verification import Seen

NEVER_BEGAN = frozenset({TaskState.CANCELLED, TaskState.DELETED})


@dataclass(slots=True)
class LineReport:
    """Lines that must be there; those that are not, are there twice, or come from a task that never began."""

    expected: int = 0
    absent: int = 0
    twice: int = 0
    impossible: int = 0

    @property
    def wrong(self) -> int:
        """How many lines are not as promised."""
        return self.absent + self.twice + self.impossible

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def compare(tasks: Iterable[Seen], printed: Printed, begun: Mapping[str, int]) -> LineReport:
    """Compare recorded tasks with the lines of the files.

    Lines with an id are compared one by one. The others by number: not fewer of each than recorded tasks tell, not
    more of each type than tasks `begun` in the whole service, by type. Where all tasks of a type are recorded,
    that is equality.
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
