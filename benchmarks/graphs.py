"""The graphs of a run, drawn by matplotlib from its JSON: lag and drain, as SVG for light and dark pages.

`python -m benchmarks.graphs FILE.json` draws the graphs of a kept run again. The same numbers give the same bytes.
"""

from __future__ import annotations

import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, DPI = 944, 500, 72  # at 72 dpi, points of matplotlib are pixels of the SVG
LEFT, RIGHT, TOP, BOTTOM = 82, 270, 74, 58
LEGEND_ROW = 24
MAX_S, MIN_MS, MAX_MS = 15.0, 0.1, 100_000.0
INK, SOFT, GRID, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
DARK = {INK: "#f0f6fc", SOFT: "#9198a1", GRID: "#2f3742", PAPER: "#0d1117"}
# Of middle brightness, to be told apart on white and on black; dashes help where colours do not.
COLOURS = ("#2f81f7", "#1a9c53", "#c77d00", "#a061e8", "#0f9ea8", "#b8632a", "#8a94a0", "#d05ce3", "#7d8f1c")
DASHES = ("-", (0, (4, 2)), (0, (1.2, 1.6)))
OURS, LIMIT = "Punctual", "raw loop"
OUR_COLOUR = "#e5304c"
FONTS = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif'
PATH, LONG_FRACTION = re.compile(r' d="[^"]*"'), re.compile(r"(\d\.\d)\d+")
OPTIONS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "punctual", "font.size": 13, "axes.edgecolor": SOFT,
           "text.color": INK, "axes.labelcolor": INK, "xtick.color": SOFT, "ytick.color": SOFT, "grid.color": GRID,
           "figure.facecolor": PAPER, "axes.facecolor": PAPER}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A system: points from left to right, and the value that stands beside its name in the legend."""

    name: str
    value: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn; the legend has the order of the lines. `low` and `high` bound the horizontal axis."""

    title: str
    subtitle: str
    x_label: str
    x_scale: Literal["linear", "log"]
    low: float
    high: float
    format_x: Callable[[float], str]
    y_high: float
    format_y: Callable[[float], str]
    lines: Sequence[Line]


def write_graphs(file: Path) -> list[Path]:
    """Draw the graphs of a run beside its JSON file; return their paths, none if no systems were measured."""
    systems = json.loads(file.read_text(encoding="utf-8")).get("systems", [])
    written = []
    for name, chart in {"lag": lag_chart(systems), "drain": drain_chart(systems)}.items():
        if chart.lines:
            path = file.with_name(f"{file.stem}-{name}.svg")
            path.write_text(svg(chart), encoding="utf-8")
            written.append(path)
    return written


def lag_chart(systems: Sequence[dict[str, Any]]) -> Chart:
    """Return the chart of lags at 100 tasks a second; the system with the lowest p50 is the first."""
    measured = sorted((each for each in systems if each["lag"] and each["lag"]["curve"]), key=_p50)
    late = [ms for each in measured for ms in each["lag"]["curve"] if ms > MIN_MS] or [1.0]
    return Chart(
        title="How late tasks start",
        subtitle="100 tasks a second at random instants, created before. "
        "Where a line begins above 0 %, so many started early.",
        x_label="start after the instant (logarithmic)",
        x_scale="log",
        low=10.0 ** math.floor(math.log10(min(late))),
        high=min(10.0 ** math.ceil(math.log10(max(late))), MAX_MS),
        format_x=format_ms,
        y_high=100,
        format_y=lambda share: f"{share:.0f} %",
        lines=[_lag_line(each) for each in measured],
    )


def drain_chart(systems: Sequence[dict[str, Any]]) -> Chart:
    """Return the chart of tasks that are all due at one instant; the fastest system is the first."""
    measured = sorted((each for each in systems if each["drain"] and each["drain"]["curve"]), key=_per_s, reverse=True)
    return Chart(
        title="How fast tasks start that are due at one instant",
        subtitle="Tasks that do nothing, created before; 2 worker processes. The slow ones had fewer to start.",
        x_label="time since the instant",
        x_scale="linear",
        low=0.0,
        high=min(max((each["drain"]["curve"][-1] for each in measured), default=1.0), MAX_S),
        format_x=lambda seconds: f"{seconds:g} s",
        y_high=max((each["drain"]["tasks"] for each in measured), default=1),
        format_y=lambda count: f"{count:,.0f}",
        lines=[_drain_line(each) for each in measured],
    )


def draw(chart: Chart) -> Figure:
    """Draw a chart: axes, grid, lines with a dot at their ends, and a legend with a value for each line."""
    with mpl.rc_context(OPTIONS):
        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
        axes = figure.add_axes((LEFT / WIDTH, BOTTOM / HEIGHT, 1 - (LEFT + RIGHT) / WIDTH, 1 - (TOP + BOTTOM) / HEIGHT))
        _scale(axes, chart)
        looks = dict(_looks(chart.lines))
        for line in chart.lines:
            _draw_line(axes, chart, line, looks[line.name])
        figure.text(LEFT / WIDTH, 1 - 30 / HEIGHT, chart.title, size=17, weight="bold")
        figure.text(LEFT / WIDTH, 1 - 52 / HEIGHT, chart.subtitle, color=SOFT)
        for number, line in enumerate(chart.lines):
            _draw_legend_row(figure, line, looks[line.name], y=HEIGHT - TOP - 8 - LEGEND_ROW * number)
    return figure


def svg(chart: Chart) -> str:
    """Return the drawn chart as SVG, with colours that follow the reader's light or dark setting."""
    written = io.StringIO()
    with mpl.rc_context(OPTIONS):
        draw(chart).savefig(written, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = PATH.sub(_shortened, written.getvalue())
    text = text.replace(f'width="{WIDTH}pt" height="{HEIGHT}pt"', f'width="{WIDTH}" height="{HEIGHT}"', 1)
    text = text.replace("<svg ", f'<svg role="img" aria-label="{escape(chart.title)}" ', 1)
    return text.replace("</style>", f"{_style()}</style>", 1)


def format_ms(ms: float) -> str:
    """Format milliseconds with a unit."""
    return f"{ms / 1000:,.3g} s" if ms >= 1000 else f"{ms:,.3g} ms"  # noqa: PLR2004 - a second


def _lag_line(system: dict[str, Any]) -> Line:
    lag, curve = system["lag"], system["lag"]["curve"]
    early = 100 * lag["early"] / lag["tasks"]
    points = [(ms, share) for step, ms in enumerate(curve) if (share := 100 * step / (len(curve) - 1)) >= early]
    value = f"p50 {format_ms(lag['p50'])}" if lag["p50"] >= 0 else f"{early:.0f} % early"
    return Line(system["peer"], value, [(0.0, early), *points] if early else points)


def _drain_line(system: dict[str, Any]) -> Line:
    drain, curve = system["drain"], system["drain"]["curve"]
    started, steps = drain["tasks"] - drain["missing"], len(curve) - 1
    points = [(seconds, started * step / steps) for step, seconds in enumerate(curve) if seconds <= MAX_S]
    return Line(system["peer"], f"{_per_s(system):,.0f} tasks/s", points)


def _p50(system: dict[str, Any]) -> float:
    return float(system["lag"]["p50"])


def _per_s(system: dict[str, Any]) -> float:
    return float(system["drain"]["per_s"] or 0.0)


def _scale(axes: Axes, chart: Chart) -> None:
    """Set up both axes: limits at ticks, at most six of them on a linear axis, one per power on a logarithmic one."""
    steps = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10])
    axes.set_xscale(chart.x_scale)
    axes.xaxis.set_major_locator(LogLocator(numticks=99) if chart.x_scale == "log" else steps)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(chart.low, chart.high if chart.x_scale == "log" else steps.tick_values(0, chart.high)[-1])
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.set_ylim(0, steps.tick_values(0, chart.y_high)[-1])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: chart.format_x(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: chart.format_y(value)))
    axes.set_xlabel(chart.x_label, labelpad=8)
    axes.set_ylabel("tasks started")
    axes.yaxis.set_label_coords(-60 / (WIDTH - LEFT - RIGHT), 0.5)
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=8)
    axes.spines[["top", "right"]].set_visible(False)


def _looks(lines: Sequence[Line]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the look of each line. Colours go by the order of names: a system has the same in both charts."""
    others = sorted(line.name for line in lines if line.name not in {OURS, LIMIT})
    for line in lines:
        if line.name == OURS:
            yield line.name, {"color": OUR_COLOUR, "linewidth": 3.5, "linestyle": "-"}
        elif line.name == LIMIT:
            yield line.name, {"color": INK, "linewidth": 1.8, "linestyle": (0, (3.5, 2.2))}
        else:
            colour, dash = look_of(others.index(line.name))
            yield line.name, {"color": colour, "linewidth": 1.8, "linestyle": dash}


def look_of(number: int) -> tuple[str, object]:
    """Return colour and dashes of another system, by its number in the order of names."""
    return COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]


def _draw_line(axes: Axes, chart: Chart, line: Line, look: dict[str, Any]) -> None:
    """Draw steps, ours on top of the others, and a dot at the end; points beyond the axis are drawn at its edge."""
    if not line.points:
        return
    xs, ys = zip(*((min(max(x, chart.low), chart.high), y) for x, y in line.points), strict=True)
    above = 4 if line.name == OURS else 3
    axes.plot(xs, ys, drawstyle="steps-post", clip_on=False, zorder=above, **look)
    axes.plot(xs[-1], ys[-1], "o", markersize=7, markeredgewidth=0, color=look["color"], clip_on=False, zorder=above)


def _draw_legend_row(figure: Figure, line: Line, look: dict[str, Any], *, y: float) -> None:
    left, y_share = WIDTH - RIGHT + 24, y / HEIGHT
    figure.add_artist(Line2D([left / WIDTH, (left + 26) / WIDTH], [y_share, y_share], **look))
    weight = "bold" if line.name == OURS else "normal"
    figure.text((left + 34) / WIDTH, y_share, line.name, va="center_baseline", weight=weight)
    figure.text((WIDTH - 14) / WIDTH, y_share, line.value, va="center_baseline", ha="right", color=SOFT)


def _shortened(path: re.Match[str]) -> str:
    """Return a path on one line, with tenths of a pixel."""
    return LONG_FRACTION.sub(r"\1", path[0]).replace("\n", "")


def _style() -> str:
    """Return CSS: fonts of the reader's system, and colours for dark pages.

    matplotlib writes colours into style attributes; !important overrides those.
    """
    dark = "\n".join(
        f'[style*="{name}: {light}"] {{ {name}: {dark} !important }}'
        for light, dark in DARK.items()
        for name in ("fill", "stroke")
    )
    return f"text {{ font-family: {FONTS} !important }}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for path in write_graphs(Path(name)):
            print(path)
