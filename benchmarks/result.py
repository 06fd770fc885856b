"""The result of a measurement: a row of the table with its limit, and a short form of distributions."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

WHOLE_FROM = 100
STEPS = 200


@dataclass(slots=True)
class Row:
    """Values of several runs in `unit`; `limit` is the row of their limit, measured in the same run."""

    part: str
    what: str
    unit: str
    values: list[float] = field(default_factory=list)
    goal: str = ""
    limit: Row | None = None
    option: str = ""

    @property
    def median(self) -> float:
        """The median of all runs."""
        return statistics.median(self.values)

    @property
    def share(self) -> float | None:
        """The share of the limit: a rate divided by the limit's, or the limit's time divided by the time."""
        if self.limit is None or not self.limit.values:
            return None
        ours, limit = self.median, self.limit.median
        over, under = (ours, limit) if self.unit.endswith("/s") else (limit, ours)
        return over / under if under else None

    def cells(self) -> tuple[str, ...]:
        """Return the cells of its line: name, median with unit, spread, goal, share of the limit."""
        return f"{self.part}: {self.what}", f"{short(self.median)} {self.unit}", self.spread(), self.goal, self.shared()

    def spread(self) -> str:
        """Format the least and the largest value; empty for one run."""
        return f"{short(min(self.values))} to {short(max(self.values))}" if len(self.values) > 1 else ""

    def shared(self) -> str:
        """Format the share, the name of the limit, and its value."""
        if self.limit is None or self.share is None:
            return ""
        return f"{self.share:.0%} of {self.limit.part} ({short(self.limit.median)})"

    def as_dict(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"what": f"{self.part}: {self.what}", "unit": self.unit, "median": self.median,
                                "values": self.values}  # fmt: skip
        if self.goal:
            fields["goal"] = self.goal
        if self.limit is not None:
            fields |= {"limit": f"{self.limit.part}: {self.limit.what}", "share": self.share}
        return fields


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def short(value: float) -> str:
    """Format a number with a readable number of digits."""
    return f"{value:,.0f}" if abs(value) >= WHOLE_FROM else f"{round(value, 2) + 0.0:,.2f}"  # 0.0: no "-0.00"


def distribution(values: Iterable[float]) -> tuple[float, ...]:
    """Return the minimum and the values that 1, 2 ... 200 two-hundredths do not exceed; empty if there are none."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return tuple(float(f"{ordered[last * step // STEPS]:.4g}") for step in range(STEPS + 1)) if ordered else ()
