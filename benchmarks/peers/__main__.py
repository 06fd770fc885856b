"""`python -m benchmarks.peers`: measure the peers alone, print their table, keep it with its date."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers.comparison import measure_peers
from benchmarks.peers.measures import QUICK, SMALL, WHOLE
from benchmarks.peers.result import PeerResult
from benchmarks.peers.table import table_of

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", metavar="NAME,NAME", help="some peers: names of folders in benchmarks/peers")
    parser.add_argument(
        "--lag-s", type=int, default=10, metavar="SECONDS", help="duration of the tasks at random instants"
    )
    parser.add_argument("--kill", action="store_true", help="kill all workers in mid-drain, too; half a minute each")
    parser.add_argument("--quick", action="store_true", help="as much as `make bench` measures of them")
    parser.add_argument("--small", action="store_true", help="a few tasks, to see that all of it works")
    parser.add_argument("--keep", action="store_true", help="keep the numbers in benchmarks/results/")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaves contexts, which stop all processes
    names = options.only.split(",") if options.only else None
    load = os.getloadavg()[1]
    extent = SMALL if options.small else QUICK if options.quick else replace(WHOLE, lag_s=options.lag_s)
    results = measure_peers(names, replace(extent, kill=options.kill))
    print("\n".join(table_of(results)))
    if options.keep:
        _keep(results, load)


def _keep(results: Sequence[PeerResult], load: float) -> None:
    """`load` is the load average of the five minutes before the measurement."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    kept = {
        "at": now.isoformat(timespec="seconds"),
        "machine": machine,
        "load_before": round(load, 2),
        "peers": [result.as_dict() for result in results],
    }
    file = RESULTS / f"{now:%Y-%m-%d-%H%M}-peers.json"
    file.write_text(json.dumps(kept, indent=1, allow_nan=False) + "\n")
    print(f"kept in {file.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
