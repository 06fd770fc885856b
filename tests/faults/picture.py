"""Draw a run as SVG: the lateness of tasks over time, and a bar for each fault below."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from tests.faults.lateness import lateness, percentile

if TYPE_CHECKING:
    from tests.faults.history import History

WIDTH, PLOT, LEFT, TOP, LANE = 1100, 300, 170, 40, 13
MIN_MS, MAX_MS = 1.0, 100_000.0
BUCKETS = 300
COLOURS = {"worst": "#d9b3b3", "p99": "#d1495b", "p50": "#00798c"}
FAULT = "#5f5f5f"


def picture(history: History, *, seed: int) -> str:
    """Return the SVG document."""
    late = lateness(history)
    begin = late[0][0] if late else history.healed_at
    end = max([late[-1][0] if late else begin, *(each.ended_at for each in history.faults)]) + 1
    across = (WIDTH - LEFT - 20) / (end - begin)

    def x(at: float) -> float:
        return round(LEFT + (at - begin) * across, 1)

    kinds = sorted({each.kind for each in history.faults})
    lanes_at = TOP + PLOT + 30
    height = lanes_at + LANE * len(kinds) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<style>text { font-size: 11px }</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="20">seed {seed}: how late {len(late)} tasks started, {len(history.faults)} faults</text>',
        *_scale(),
        *(f'<rect x="{x(since)}" y="{TOP}" width="{max(0.0, x(until) - x(since)):.1f}" height="{PLOT}" fill="#00798c" '
          f'opacity="0.06"><title>no faults</title></rect>' for since, until in history.calm if until > since),
    ]  # fmt: skip
    width = (end - begin) / BUCKETS
    for name, colour in COLOURS.items():
        points = " ".join(f"{x(at)},{_y(ms)}" for at, ms in _line(late, begin, width, name))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
    for number, (name, colour) in enumerate(COLOURS.items()):
        parts.append(f'<text x="{WIDTH - 150 + 45 * number}" y="20" fill="{colour}">{name}</text>')
    for lane, kind in enumerate(kinds):
        y = lanes_at + LANE * lane
        parts.append(f'<text x="{LEFT - 8}" y="{y + 9}" text-anchor="end">{escape(kind)}</text>')
        for each in history.faults:
            if each.kind == kind:
                long = max(2.0, x(each.ended_at) - x(each.began_at))
                title = f"{escape(kind)}, {each.ended_at - each.began_at:.1f} s"
                parts.append(
                    f'<rect x="{x(each.began_at)}" y="{y}" width="{long:.1f}" height="{LANE - 3}" fill="{FAULT}">'
                    f"<title>{title}</title></rect>"
                )
    return "\n".join([*parts, "</svg>", ""])


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


def _line(late: list[tuple[float, float]], begin: float, width: float, name: str) -> list[tuple[float, float]]:
    """Return a point for each interval in which tasks were due."""
    percent = {"p50": 50.0, "p99": 99.0, "worst": 100.0}[name]
    buckets: dict[int, list[float]] = {}
    for at, ms in late:
        buckets.setdefault(int((at - begin) / width), []).append(ms)
    return [(begin + (number + 0.5) * width, percentile(sorted(ms), percent)) for number, ms in sorted(buckets.items())]
