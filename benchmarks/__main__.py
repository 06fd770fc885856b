"""`make bench`: measure the service, its limits and its peers, print tables, write graphs."""

from __future__ import annotations

import math
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import printed
from benchmarks.graphs import write_graphs
from benchmarks.kept import PASSING, RESULTS, Kept
from benchmarks.limits.limits import limit_parts
from benchmarks.machine import this_machine
from benchmarks.measuring import Measuring
from benchmarks.options import Options, read_options
from benchmarks.peers.result import PeerResult
from benchmarks.side_by_side import side_by_side

PROMISED_S = 15 * 60.0


def main() -> None:
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaves contexts, which stop all processes
    kept = measure(options)
    tell(kept, options)
    file = kept.write(RESULTS if options.keep else PASSING)
    for path in (file, *write_graphs(file)):
        print(f"written: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    sys.exit(bool(kept.failed))


def measure(options: Options) -> Kept:
    """Measure what the options select."""
    at, machine, began = datetime.now(UTC), this_machine(), time.monotonic()
    print(f"{at:%Y-%m-%d}, {machine.line()}", flush=True)
    loop = PeerResult("raw loop", "Postgres and Redis", {})
    measuring = Measuring(limit_parts(loop), runs=options.runs)
    for part in options.parts():
        measuring.measure(part)
    systems: list[PeerResult] = []
    if options.peers:
        until = math.inf if options.extras or options.peers.waiting else began + PROMISED_S
        systems = side_by_side(measuring, loop, options.peers, until=until)
    limits, took_s = list(measuring.limits.values()), time.monotonic() - began
    return Kept(at, machine, took_s, measuring.rows, limits, systems, measuring.failed, measuring.stolen)


def tell(kept: Kept, options: Options) -> None:
    """Print the tables, one below the other."""
    tables = (
        [
            f"{kept.at:%Y-%m-%d}, {kept.machine.line()}",
            "median of the runs; 2 worker processes unless it says otherwise",
            *printed.stolen(kept.stolen),
        ],
        printed.rows_table(kept.rows),
        printed.curve_table(kept.rows),
        printed.limits_table(kept.limits),
        printed.systems_table(kept.systems),
        [f"failed: {each}" for each in kept.failed],
        [f"not measured: {each}" for each in options.left_out()],
        [f"took {kept.seconds / 60:.1f} minutes"],
    )
    print("\n" + "\n\n".join("\n".join(table) for table in tables if table))


if __name__ == "__main__":
    main()
