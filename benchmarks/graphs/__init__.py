"""The graphs of a run, drawn from its JSON: lag and drain, as SVG texts that are the same for the same numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.graphs.drain import drain_chart
from benchmarks.graphs.lag import lag_chart

if TYPE_CHECKING:
    from pathlib import Path

CHARTS = {"lag": lag_chart, "drain": drain_chart}


def write_graphs(file: Path) -> list[Path]:
    """Beside the file, by its name; none where the systems were not measured."""
    systems = json.loads(file.read_text(encoding="utf-8")).get("systems", [])
    written = []
    for name, chart_of in CHARTS.items():
        chart = chart_of(systems)
        if chart.lines:
            path = file.with_name(f"{file.stem}-{name}.svg")
            path.write_text(chart.svg(), encoding="utf-8")
            written.append(path)
    return written
