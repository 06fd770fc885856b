"""The tables as people read them."""

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
    """One line each, all but the curve."""
    lines = [row.said() for row in rows if row.option != CURVE]
    return columns([HEADINGS, *lines]) if lines else []


def limits_table(limits: Iterable[Row]) -> list[str]:
    """What the stores give when they are driven directly."""
    lines = [row.said()[:3] for row in limits]
    return columns([LIMIT_HEADINGS, *lines]) if lines else []


def curve_table(rows: Iterable[Row]) -> list[str]:
    """A line for each number of workers; nothing if it was not measured."""
    lines: dict[str, list[Row]] = {}
    for row in rows:
        if row.option == CURVE:
            lines.setdefault(row.part, []).append(row)
    if not lines:
        return []
    headings = ("scale out", *(f"{row.what}, {row.unit}" for row in next(iter(lines.values()))))
    return columns([headings, *((part, *(short(row.median) for row in of_part)) for part, of_part in lines.items())])


def systems_table(systems: Sequence[PeerResult]) -> list[str]:
    """The same work for all."""
    return table_of(systems) if systems else []


def stolen(shares: Mapping[str, float]) -> list[str]:
    """What others on the host took of the processors' time, in one line; nothing where nobody counts it."""
    if not shares:
        return []
    most = max(shares, key=lambda name: shares[name])
    middle = statistics.median(shares.values())
    return [f"others on this host took {middle:.0%} of the processors' time, at most {shares[most]:.0%} ({most})"]


def columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Cells of equal width, two spaces between them."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
