"""A query plan in one line: what was changed, which indexes were read how often, and what was sorted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SHOWN_NODES = {"Merge Append", "Sort", "Incremental Sort", "BitmapOr", "BitmapAnd", "Function Scan"}


@dataclass(frozen=True, slots=True)
class Shortened:
    """A summary: `rows` read from table and indexes, `dropped` of them by filters, `pages` of 8 KiB."""

    plan: str
    rows: int
    dropped: int
    pages: int
    planning_ms: float
    ms: float


def shorten(explained: Mapping[str, Any]) -> Shortened:
    """Summarize the output of EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)."""
    nodes = list(_walk(explained["Plan"]))
    scans = [each for each in nodes if _reads(each) and each["Actual Loops"]]
    top = explained["Plan"]
    return Shortened(
        plan=_line(nodes, scans),
        rows=round(sum(each["Actual Rows"] * each["Actual Loops"] for each in scans)),
        dropped=round(sum(each.get("Rows Removed by Filter", 0) * each["Actual Loops"] for each in scans)),
        pages=top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        planning_ms=explained["Planning Time"],
        ms=explained["Execution Time"],
    )


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _walk(each)


def _reads(node: Mapping[str, Any]) -> bool:
    return "Index Name" in node or node["Node Type"] == "Seq Scan"


def _line(nodes: list[Mapping[str, Any]], scans: list[Mapping[str, Any]]) -> str:
    times: defaultdict[str, int] = defaultdict(int)
    for each in scans:
        times[f"{each['Node Type']} {each.get('Index Name') or each['Relation Name']}"] += each["Actual Loops"]
    changed = [f"{each['Operation']} {each['Relation Name']}" for each in nodes if each["Node Type"] == "ModifyTable"]
    operations = dict.fromkeys(
        each["Node Type"] for each in nodes if each["Node Type"] in SHOWN_NODES and each["Actual Loops"]
    )
    read = [f"{scan} x {number}" if number > 1 else scan for scan, number in times.items()]
    return ", ".join([*changed, *operations, *read])
