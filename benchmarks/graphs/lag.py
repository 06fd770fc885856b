"""How late tasks start at 100 a second: which share of them started within which time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.graphs.axis import Linear, Log, power_above, power_below
from benchmarks.graphs.chart import Chart, Line
from benchmarks.graphs.roles import role_of

if TYPE_CHECKING:
    from collections.abc import Sequence

BELOW = "100 tasks a second at random instants, created before. Where a line begins above 0 %, so many started early."
LEAST_MS, MOST_MS = 0.1, 100_000.0
SECOND_MS = 1000


def lag_chart(systems: Sequence[dict[str, Any]]) -> Chart:
    """The one that is soonest in the middle stands first."""
    measured = sorted(
        (each for each in systems if each["lag"] and each["lag"]["curve"]), key=lambda each: float(each["lag"]["p50"])
    )
    late = [ms for each in measured for ms in each["lag"]["curve"] if ms > LEAST_MS] or [1.0]
    return Chart(
        title="How late tasks start",
        below=BELOW,
        across=Log(
            "start after the instant (logarithmic)",
            power_below(min(late)),
            min(power_above(max(late)), MOST_MS),
            said_ms,
        ),
        upward=Linear("tasks started", 100, lambda share: f"{share:.0f} %"),
        lines=[_line(each) for each in measured],
    )


def _line(system: dict[str, Any]) -> Line:
    curve: list[float] = system["lag"]["curve"]
    steps = len(curve) - 1
    points = [(ms, 100 * step / steps) for step, ms in enumerate(curve)]
    early = 100 * system["lag"]["early"] / system["lag"]["tasks"]
    said = f"p50 {said_ms(system['lag']['p50'])}" if system["lag"]["p50"] >= 0 else f"{early:.0f} % early"
    late = [point for point in points if point[1] >= early]
    return Line(system["peer"], said, [(0.0, early), *late] if early else late, role_of(system))


def said_ms(ms: float) -> str:
    """With its unit."""
    return f"{ms / SECOND_MS:,.3g} s" if ms >= SECOND_MS else f"{ms:,.3g} ms"
