"""`make chaos`: tasks run while everything around them breaks; then every one of them is accounted for."""

from __future__ import annotations

import argparse
import json
import pickle
import random
import shutil
import signal
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.acceptance.processes import ROOT
from tests.faults.chaos import run_chaos
from tests.faults.kinds.table import TABLE
from tests.faults.picture import picture
from tests.faults.plan import Plan
from tests.faults.reactions import measure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.report import Report

STOPPED = 143
FAULTS_A_SECOND = 50 / 60
DRAINED_WITHIN_S, DRAINED_PER_FAULT_S = 30.0, 0.3  # after hundreds of faults the backlog is longer; late is not lost
SETTLED_WITHIN_S, FLUSH_WITHIN_S, PROMOTER_WITHIN_MS = 20.0, 2.0, 250.0


def main() -> int:
    """Run, tell, and return 1 if a promise was broken."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))  # nothing of the service is left behind
    if asked.reactions:
        took = measure()
        print(took.said())
        return int(
            took.worker_killed_s >= SETTLED_WITHIN_S
            or took.flush_s >= FLUSH_WITHIN_S
            or took.promoter_killed_ms >= PROMOTER_WITHIN_MS
        )
    plan = Plan(
        seed=asked.seed,
        tasks=asked.tasks,
        faults=asked.faults,
        seconds=asked.seconds or max(10.0, asked.faults / FAULTS_A_SECOND),
        kinds=tuple(asked.only) or None,
        drained_within_s=max(DRAINED_WITHIN_S, asked.faults * DRAINED_PER_FAULT_S),
        patience_s=2 * max(DRAINED_WITHIN_S, asked.faults * DRAINED_PER_FAULT_S),
    )
    print(f"seed {plan.seed}", flush=True)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {line}", file=sys.stderr, flush=True)

    kept = ROOT / "var" / "chaos"
    logs = kept / f"{plan.seed}-logs"
    shutil.rmtree(logs, ignore_errors=True)
    report = run_chaos(plan, say=say if asked.verbose else lambda _: None, logs=logs)
    (logs / "history").write_bytes(pickle.dumps(report.history))
    print(report.screen())
    _write(report, kept, str(plan.seed))
    if asked.keep:
        _write(report, ROOT / "docs" / "faults", f"{datetime.now(UTC):%Y-%m-%d}-{plan.tasks}")
    return 0 if report.ok else 1


def _arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="make chaos ARGS=", description=__doc__)
    options.add_argument("--tasks", type=int, default=10_000)
    options.add_argument("--faults", type=int, default=50)
    options.add_argument("--seconds", type=float, help="for how long faults happen (default: 1.2 s for each)")
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    options.add_argument(
        "--only", action="append", default=[], choices=list(TABLE), metavar="KIND", help="this kind of fault"
    )
    options.add_argument("--keep", action="store_true", help="dated copies of the report in docs/faults, too")
    options.add_argument("--reactions", action="store_true", help="instead: how soon single faults are got over")
    options.add_argument("--verbose", action="store_true", help="say what strikes, when it does")
    return options.parse_args()


def _write(report: Report, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(report.figures(), indent=2) + "\n", encoding="utf-8")
    (folder / f"{name}.svg").write_text(picture(report.history, seed=report.plan.seed), encoding="utf-8")
    print(f"{folder / name}.json and .svg")


if __name__ == "__main__":
    sys.exit(main())
