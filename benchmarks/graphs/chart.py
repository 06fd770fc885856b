"""A chart of steps as SVG text: axes, grid, lines, and a legend with a value for each line; light or dark as wished."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.graphs.axis import Axis

WIDTH, HEIGHT = 920, 500
LEFT, RIGHT, TOP, BOTTOM = 76, 252, 74, 58
ROW = 24
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 } .strong { font-weight: 600 } .soft { fill: #59636e }
.paper { fill: #ffffff } .grid { stroke: #d1d9e0; stroke-width: 1 } .axis { stroke: #59636e; stroke-width: 1 }
.line { fill: none; stroke-width: 1.8 } .first { stroke-width: 3.5 } .end { stroke: none }
.ink { stroke: #1f2328 } .ink-fill { fill: #1f2328 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .soft { fill: #9198a1 } .paper { fill: #0d1117 }
.grid { stroke: #2f3742 } .axis { stroke: #9198a1 } .ink { stroke: #f0f6fc } .ink-fill { fill: #f0f6fc }
}"""
# Of middle brightness, to be told apart on white and on black; dashes help where colours do not.
COLOURS = ("#2f81f7", "#1a9c53", "#c77d00", "#a061e8", "#0f9ea8", "#b8632a", "#8a94a0", "#d05ce3", "#7d8f1c")
DASHES = ("", "7 3", "2 3")
OURS = "#e5304c"


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right; `said` is its value in the legend, `role` whether it is ours or a limit."""

    name: str
    said: str
    points: Sequence[tuple[float, float]]
    role: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """All that is drawn; the legend is in the order of the lines."""

    title: str
    below: str
    across: Axis
    upward: Axis
    lines: Sequence[Line]

    def svg(self) -> str:
        """The whole text."""
        size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(self.title)}">',
            f"<style>{STYLE}\n</style>",
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
            _text(LEFT, 30, self.title, "title"),
            _text(LEFT, 52, self.below, "soft"),
            *self._frame(),
            *self._drawn(),
            *self._legend(),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _frame(self) -> Iterator[str]:
        left, right, top, bottom = _x(0), _x(1), _y(1), _y(0)
        for place, said in self.across.marks():
            yield f'<path class="grid" d="M{_x(place):.1f} {top:.1f}V{bottom:.1f}"/>'
            yield _text(_x(place), bottom + 20, said, "soft", "middle")
        for place, said in self.upward.marks():
            yield f'<path class="grid" d="M{left:.1f} {_y(place):.1f}H{right:.1f}"/>'
            yield _text(left - 8, _y(place) + 4, said, "soft", "end")
        yield f'<path class="axis" fill="none" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}"/>'
        yield _text((left + right) / 2, bottom + 44, self.across.title, "", "middle")
        upright = _text(0, 0, self.upward.title, "", "middle")
        yield f'<g transform="translate(18 {(top + bottom) / 2:.1f}) rotate(-90)">{upright}</g>'

    def _drawn(self) -> Iterator[str]:
        """Ours last: on top of the others."""
        for line, look, colour in sorted(self._looks(), key=lambda each: each[0].role == "ours"):
            if not line.points:
                continue
            places = [(_x(self.across.place(x)), _y(self.upward.place(y))) for x, y in line.points]
            steps = "".join(f"H{x:.1f}V{y:.1f}" for x, y in _thinned(places[1:]))
            yield f'<path {look} d="M{places[0][0]:.1f} {places[0][1]:.1f}{steps}"/>'
            yield f'<circle {colour} cx="{places[-1][0]:.1f}" cy="{places[-1][1]:.1f}" r="3.5"/>'

    def _legend(self) -> Iterator[str]:
        left = WIDTH - RIGHT + 24
        for number, (line, look, _) in enumerate(self._looks()):
            y = TOP + 8 + ROW * number
            yield f'<path {look} d="M{left} {y}h26"/>'
            yield _text(left + 34, y + 4, line.name, "strong" if line.role == "ours" else "")
            yield _text(WIDTH - 14, y + 4, line.said, "soft", "end")

    def _looks(self) -> Iterator[tuple[Line, str, str]]:
        """Each line, how it is drawn, and how its end is. Colours go by names: a system has the same in every chart."""
        others = sorted(line.name for line in self.lines if not line.role)
        for line in self.lines:
            if line.role == "ours":
                yield line, f'class="line first" stroke="{OURS}"', f'class="end" fill="{OURS}"'
            elif line.role == "limit":
                yield line, 'class="line ink" stroke-dasharray="6 4"', 'class="end ink-fill"'
            else:
                number = others.index(line.name)
                colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
                dashed = f' stroke-dasharray="{dash}"' if dash else ""
                yield line, f'class="line" stroke="{colour}"{dashed}', f'class="end" fill="{colour}"'


def _text(x: float, y: float, said: str, look: str, anchor: str = "start") -> str:
    kind = f' class="{look}"' if look else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _x(place: float) -> float:
    return LEFT + place * (WIDTH - LEFT - RIGHT)


def _y(place: float) -> float:
    return HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)


def _thinned(places: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Without points that move less than a pixel in both directions; the last one stays."""
    seen: tuple[float, float] | None = None
    for number, (x, y) in enumerate(places, start=1):
        if seen is None or number == len(places) or abs(x - seen[0]) >= 1 or abs(y - seen[1]) >= 1:
            seen = (x, y)
            yield seen
