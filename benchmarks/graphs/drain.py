"""How fast tasks start that are all due at one instant: how many had started how long after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.graphs.axis import Linear, step_of
from benchmarks.graphs.chart import Chart, Line
from benchmarks.graphs.roles import role_of

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_S = 15.0


def drain_chart(systems: Sequence[dict[str, Any]]) -> Chart:
    """The fastest stands first."""
    measured = sorted((each for each in systems if each["drain"] and each["drain"]["curve"]), key=_per_s, reverse=True)
    last_s = min(max((each["drain"]["curve"][-1] for each in measured), default=1.0), LONGEST_S)
    tasks = max((each["drain"]["tasks"] for each in measured), default=1)
    return Chart(
        title="How fast tasks start that are due at one instant",
        below="Tasks that do nothing, created before; 2 worker processes. The slow ones had fewer to start.",
        across=Linear("time since the instant", _rounded_up(last_s), lambda seconds: f"{seconds:g} s"),
        upward=Linear("tasks started", _rounded_up(tasks), lambda count: f"{count:,.0f}"),
        lines=[_line(each) for each in measured],
    )


def _line(system: dict[str, Any]) -> Line:
    drain = system["drain"]
    curve: list[float] = drain["curve"]
    started, steps = drain["tasks"] - drain["missing"], len(curve) - 1
    points = [(seconds, started * step / steps) for step, seconds in enumerate(curve) if seconds <= LONGEST_S]
    return Line(system["peer"], f"{_per_s(system):,.0f} tasks/s", points, role_of(system))


def _per_s(system: dict[str, Any]) -> float:
    return float(system["drain"]["per_s"] or 0.0)


def _rounded_up(value: float) -> float:
    step = step_of(value)
    return step * -(-value // step)
