"""`make bench`: starts a service of its own, measures each row several times, prints one table, keeps it dated."""

from __future__ import annotations

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers.comparison import measure_peers
from benchmarks.peers.table import table_of
from benchmarks.plan import PLAN
from benchmarks.result import Row
from benchmarks.service import running_service

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure and tell."""
    options = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    options.add_argument("--runs", type=int, default=3, help="how often each row is measured")
    options.add_argument("--only", action="append", help="rows whose name holds this word")
    options.add_argument("--peers", action="store_true", help="other schedulers at the same work, too (docs/peers.md)")
    options.add_argument("--keep", action="store_true", help="keep the table in benchmarks/results/")
    asked = options.parse_args()
    rows = measure(asked.only or [""], asked.runs)
    show(rows)
    if asked.keep:
        keep(rows)
    if asked.peers:
        print("\n".join(table_of(measure_peers())))


def measure(words: list[str], runs: int) -> list[Row]:
    """All rows whose name holds one of these words."""
    found: list[Row] = []
    for part in PLAN:
        if not any(word in part.name for word in words):
            continue
        print(f"… {part.name}", flush=True)
        rows = {
            row.key: Row(f"{part.name}: {row.what}", row.unit, goal=row.goal, beside=row.beside) for row in part.rows
        }
        with running_service(part.environment, web=part.web) as service:
            part.prepare(service)
            for _ in range(runs if part.repeats else 1):
                told = part.measure(service)
                for key, row in rows.items():
                    row.values.append(told[key])
        found += rows.values()
    return found


def show(rows: list[Row]) -> None:
    """One line each."""
    print(f"\n2 worker processes, {machine()}; median, spread, goal\n")
    lines = [row.said() for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    for line in lines:
        print("  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True)).rstrip())


def keep(rows: list[Row]) -> None:
    """As JSON, with the day."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    told = [
        {"what": row.what, "unit": row.unit, "median": row.median, "values": row.values, "goal": row.goal}
        for row in rows
    ]
    kept = {"at": now.isoformat(timespec="seconds"), "machine": machine(), "rows": told}
    file = RESULTS / f"{now:%Y-%m-%d-%H%M}.json"
    file.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"\nkept in {file.relative_to(Path.cwd())}")


def machine() -> str:
    """What everything shares."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


if __name__ == "__main__":
    main()
