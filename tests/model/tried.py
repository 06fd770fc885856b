"""Counts of what the model tried, for the report at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tried:
    """Counts over all interleavings; `faults` by (kind, step)."""

    interleavings: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """Return the report."""
        crashes = sum(count for (kind, _), count in self.faults.items() if kind.startswith("crash"))
        answers = sum(self.faults.values()) - crashes
        return [
            f"{self.interleavings} interleavings, {sum(self.acts.values())} steps: {_counts(self.acts)}",
            f"{crashes} crashes and {answers} steps without an answer, at {len(self.faults)} different places",
            f"tasks ended: {_counts(self.ends)}",
        ]


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common())
