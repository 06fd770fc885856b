"""One row of the table: what was measured, how often, and what it was to reach."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

WHOLE_FROM = 100


@dataclass(slots=True)
class Row:
    """Values of several runs, in `unit`; `goal` and `beside` (what others reach) are for people."""

    what: str
    unit: str
    values: list[float] = field(default_factory=list)
    goal: str = ""
    beside: str = ""

    @property
    def median(self) -> float:
        """Of all runs."""
        return statistics.median(self.values)

    def said(self) -> tuple[str, str, str, str]:
        """What, the median with its unit, the spread, and the goal."""
        spread = f"{_short(min(self.values))} to {_short(max(self.values))}" if len(self.values) > 1 else ""
        return self.what, f"{_short(self.median)} {self.unit}", spread, self.goal


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= WHOLE_FROM else f"{value:,.2f}"
