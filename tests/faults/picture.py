"""Draw a run as SVG: the lateness of tasks over time, and a bar for each fault below."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from tests.faults.lateness import lateness, percentile

if TYPE_CHECKING:
    from tests.faults.history import History

WIDTH, PLOT, LEFT, TOP, LANE = 1100, 300, 170, 40, 13
LANES_AT = TOP + PLOT + 30
MIN_MS, MAX_MS = 1.0, 100_000.0
BUCKETS = 300
COLOURS = {"worst": "#d9b3b3", "p99": "#d1495b", "p50": "#00798c"}
FAULT = "#5f5f5f"


@dataclass(frozen=True, slots=True)
class _TimeAxis:
    begin: float
    end: float

    def x(self, at: float) -> float:
        across = (WIDTH - LEFT - 20) / (self.end - self.begin)
        return round(LEFT + (at - self.begin) * across, 1)


def picture(history: History, *, seed: int) -> str:
    """Return the SVG document."""
    late = lateness(history)
    axis = _time_axis(history, late)
    kinds = sorted({each.kind for each in history.faults})
    height = LANES_AT + LANE * len(kinds) + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<style>text { font-size: 11px }</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="20">seed {seed}: how late {len(late)} tasks started, {len(history.faults)} faults</text>',
        *_scale(),
        *_calm_intervals(history, axis),
        *_curves(late, axis),
        *_legend(),
        *(line for number, kind in enumerate(kinds) for line in _lane(history, axis, number, kind)),
        "</svg>",
        "",
    ]
    return "\n".join(lines)


def _time_axis(history: History, late: list[tuple[float, float]]) -> _TimeAxis:
    begin = late[0][0] if late else history.healed_at
    last_due = late[-1][0] if late else begin
    return _TimeAxis(begin, max([last_due, *(each.ended_at for each in history.faults)]) + 1)


def _calm_intervals(history: History, axis: _TimeAxis) -> Iterator[str]:
    for since, until in history.calm:
        if until > since:
            width = max(0.0, axis.x(until) - axis.x(since))
            yield (
                f'<rect x="{axis.x(since)}" y="{TOP}" width="{width:.1f}" height="{PLOT}" fill="#00798c" '
                'opacity="0.06"><title>no faults</title></rect>'
            )


def _curves(late: list[tuple[float, float]], axis: _TimeAxis) -> Iterator[str]:
    for name, colour in COLOURS.items():
        points = " ".join(f"{axis.x(at)},{_y(ms)}" for at, ms in _curve(late, axis, name))
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


def _curve(late: list[tuple[float, float]], axis: _TimeAxis, name: str) -> list[tuple[float, float]]:
    """Return a point for each interval in which tasks were due."""
    percent = {"p50": 50.0, "p99": 99.0, "worst": 100.0}[name]
    begin, width = axis.begin, (axis.end - axis.begin) / BUCKETS
    buckets: dict[int, list[float]] = {}
    for at, ms in late:
        buckets.setdefault(int((at - begin) / width), []).append(ms)
    return [(begin + (number + 0.5) * width, percentile(sorted(ms), percent)) for number, ms in sorted(buckets.items())]


def _legend() -> Iterator[str]:
    for number, (name, colour) in enumerate(COLOURS.items()):
        yield f'<text x="{WIDTH - 150 + 45 * number}" y="20" fill="{colour}">{name}</text>'


def _lane(history: History, axis: _TimeAxis, number: int, kind: str) -> Iterator[str]:
    """Yield the label of a kind of fault, and a bar for each fault of this kind."""
    y = LANES_AT + LANE * number
    yield f'<text x="{LEFT - 8}" y="{y + 9}" text-anchor="end">{escape(kind)}</text>'
    for each in history.faults:
        if each.kind == kind:
            x, end = axis.x(each.began_at), axis.x(each.ended_at)
            title = f"{escape(kind)}, {each.ended_at - each.began_at:.1f} s"
            yield (
                f'<rect x="{x}" y="{y}" width="{max(2.0, end - x):.1f}" height="{LANE - 3}" fill="{FAULT}">'
                f"<title>{title}</title></rect>"
            )


def _scale() -> list[str]:
    lines = []
    for power in range(round(math.log10(MAX_MS)) + 1):
        y, ms = _y(10.0**power), 10**power
        label = f"{ms} ms" if ms < 1000 else f"{ms // 1000} s"
        lines.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - 20}" y2="{y}" stroke="#dddddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{label}</text>')
    return lines


def _y(ms: float) -> float:
    share = math.log(min(MAX_MS, max(MIN_MS, ms)) / MIN_MS) / math.log(MAX_MS / MIN_MS)
    return round(TOP + PLOT * (1 - share), 1)
