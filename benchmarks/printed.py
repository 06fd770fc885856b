"""The tables of a run as text."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.parts import CURVE
from benchmarks.peers.result import PeerResult
from benchmarks.peers.table import table_of
from benchmarks.result import Row, short

HEADINGS = ("row", "value", "spread", "goal", "share of its limit")
LIMIT_HEADINGS = ("limit", "value", "spread")


def rows_table(rows: Iterable[Row]) -> list[str]:
    """Format a line for each row, except those of the curve."""
    lines = [row.cells() for row in rows if row.option != CURVE]
    return columns([HEADINGS, *lines]) if lines else []


def limits_table(limits: Iterable[Row]) -> list[str]:
    """Format a line for each limit."""
    lines = [row.cells()[:3] for row in limits]
    return columns([LIMIT_HEADINGS, *lines]) if lines else []


def curve_table(rows: Iterable[Row]) -> list[str]:
    """Format a line for each number of workers; none if the curve was not measured."""
    lines: dict[str, list[Row]] = {}
    for row in rows:
        if row.option == CURVE:
            lines.setdefault(row.part, []).append(row)
    if not lines:
        return []
    headings = ("scale out", *(f"{row.what}, {row.unit}" for row in next(iter(lines.values()))))
    return columns([headings, *((part, *(short(row.median) for row in of_part)) for part, of_part in lines.items())])


def systems_table(systems: Sequence[PeerResult]) -> list[str]:
    """Format the comparison with the peers."""
    return table_of(systems) if systems else []


def stolen(shares: Mapping[str, float]) -> list[str]:
    """Format the stolen share of processor time in one line; none where the kernel does not count it."""
    if not shares:
        return []
    most = max(shares, key=lambda name: shares[name])
    middle = statistics.median(shares.values())
    return [f"others on this host took {middle:.0%} of the processors' time, at most {shares[most]:.0%} ({most})"]


def columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Pad cells to equal widths, two spaces between columns."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
