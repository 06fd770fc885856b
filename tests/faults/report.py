"""The report of a run: on one screen, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.faults.lateness import calm_lateness, percentile, troubled_lateness

if TYPE_CHECKING:
    from tests.faults.checker import Check
    from tests.faults.history import History
    from tests.faults.plan import Plan

PERCENTS = (50, 95, 99, 100)
SHOWN = 3


@dataclass(frozen=True)
class Report:
    """A plan, its history, and the results of the checks."""

    plan: Plan
    history: History
    checks: list[Check]

    @property
    def broken(self) -> list[Check]:
        """The checks that failed."""
        return [each for each in self.checks if each.broken]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.broken

    def screen(self) -> str:
        """Return the report for people, on one screen."""
        figures = self.figures()
        faults = _columns([f"{count} x {kind}" for kind, count in figures["faults"].items()])
        drained, made, struck = figures["drained_s"], figures["tasks"], len(self.history.faults)
        lines = [
            f"seed {self.plan.seed}: {made['created']} tasks answered with 201, {made['there']} exist, {struck} faults",
            "", *faults,
            "", f"states   {_pairs(figures['states'])}",
            f"errors   {_pairs(figures['errors'])}",
            *(f"{act:8} {_pairs(by_status)}" for act, by_status in figures["answers"].items()),
            f"drained  {'never' if drained is None else f'{drained:.1f} s after the last fault'}",
            *(f"late     {when}: " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in percentiles.items())
              for when, percentiles in figures["lateness_ms"].items()),
            "", *(f"  {f'BROKEN {len(each.broken)} x' if each.broken else 'ok'} {each.name}" for each in self.checks),
            *(f"         {each.name}: {case}" for each in self.broken for case in each.broken[:SHOWN]),
        ]  # fmt: skip
        return "\n".join(lines)

    def figures(self) -> dict[str, Any]:
        """Return the report for JSON."""
        history = self.history
        answers = Counter((each.act, _status(each.status)) for each in history.answers)
        acts = sorted({act for act, _ in answers})
        created = sum(1 for each in history.answers if each.act == "create" and each.status == 201)
        return {
            "seed": self.plan.seed,
            "ok": self.ok,
            "tasks": {"created": created, "there": len(history.tasks)},
            "faults": _counted(each.kind for each in history.faults),
            "states": _counted(each.state for each in history.tasks.values()),
            "errors": _counted(each.error for each in history.tasks.values() if each.state == "failed" and each.error),
            "answers": {act: _counted_pairs({s: n for (a, s), n in answers.items() if a == act}) for act in acts},
            "drained_s": None if history.final_at is None else round(history.final_at - history.healed_at, 1),
            "lateness_ms": {
                "calm": _percentiles(calm_lateness(history)),
                "under faults": _percentiles(troubled_lateness(history)),
            },
            "checks": {each.name: len(each.broken) for each in self.checks},
            "broken": {each.name: each.broken[:50] for each in self.broken},
        }


def _status(status: int | None) -> str:
    return "no answer" if status is None else str(status)


def _counted(values: Any) -> dict[str, int]:
    return _counted_pairs(Counter(values))


def _counted_pairs(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _percentiles(ordered: Sequence[float]) -> dict[str, float]:
    return {"worst" if each == 100 else f"p{each}": round(percentile(ordered, each), 1) for each in PERCENTS}


def _pairs(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _columns(cells: Sequence[str], width: int = 38, count: int = 3) -> list[str]:
    rows = -(-len(cells) // count)
    return ["  " + "".join(cell.ljust(width) for cell in cells[row::rows]).rstrip() for row in range(rows)]
