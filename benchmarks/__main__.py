"""`make bench`: starts a service of its own, measures, prints a table, keeps it dated."""

from __future__ import annotations

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.client import Client
from benchmarks.measures import Row, create_and_drain, idle_lag
from benchmarks.service import running_service

RESULTS = Path(__file__).parent / "results"
WORKERS = 2


def main() -> None:
    """Measure and tell."""
    options = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    options.add_argument("--count", type=int, default=10_000, help="tasks due at one instant")
    options.add_argument("--samples", type=int, default=50, help="tasks on an idle system")
    options.add_argument("--keep", action="store_true", help="keep the table in benchmarks/results/")
    asked = options.parse_args()
    with running_service(workers=WORKERS) as url:
        client = Client(url)
        create_and_drain(client, count=500, task_type="baz")  # children started, durations known
        rows = create_and_drain(client, count=asked.count, task_type="baz")
        rows += idle_lag(client, samples=asked.samples, ahead_s=2)
    _show(rows)
    if asked.keep:
        _keep(rows)


def _show(rows: list[Row]) -> None:
    width = max(len(what) for what, _, _ in rows)
    print(f"{WORKERS} worker processes, {_machine()}")
    for what, value, unit in rows:
        print(f"{what:{width}}  {value:>12,.2f} {unit}")


def _keep(rows: list[Row]) -> None:
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    kept = {"at": now.isoformat(timespec="seconds"), "machine": _machine(), "workers": WORKERS, "rows": rows}
    file = RESULTS / f"{now:%Y-%m-%d-%H%M}.json"
    file.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"kept in {file.relative_to(Path.cwd())}")


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


if __name__ == "__main__":
    main()
