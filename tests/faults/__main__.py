"""`make chaos`: run tasks while faults are injected, then account for every task."""

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
from pathlib import Path
from typing import TYPE_CHECKING

from tests.acceptance.processes import ROOT
from tests.faults.chaos import run_chaos
from tests.faults.kinds.table import TABLE
from tests.faults.picture import picture
from tests.faults.plan import Plan
from tests.faults.reactions import measure

if TYPE_CHECKING:
    from tests.faults.report import Report

STOPPED = 143
FAULTS_A_SECOND = 50 / 60
DRAINED_WITHIN_S, DRAINED_PER_FAULT_S = 30.0, 0.3  # the backlog is longer after hundreds of faults
SETTLED_WITHIN_S, FLUSH_WITHIN_S, PROMOTER_WITHIN_MS = 20.0, 2.0, 250.0


def main() -> int:
    """Run the tests and print a report; return 1 if a promise was broken."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))  # stops the service, too
    return _check_reactions() if options.reactions else _run(options)


def _check_reactions() -> int:
    reactions = measure()
    print(reactions.line())
    return int(
        reactions.worker_killed_s >= SETTLED_WITHIN_S
        or reactions.flush_s >= FLUSH_WITHIN_S
        or reactions.promoter_killed_ms >= PROMOTER_WITHIN_MS
    )


def _run(options: argparse.Namespace) -> int:
    plan = _plan(options)
    print(f"seed {plan.seed}", flush=True)
    began = time.monotonic()

    def log(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {line}", file=sys.stderr, flush=True)

    kept = ROOT / "var" / "chaos"
    logs = kept / f"{plan.seed}-logs"
    shutil.rmtree(logs, ignore_errors=True)
    report = run_chaos(plan, log=log if options.verbose else lambda _: None, logs=logs)
    (logs / "history").write_bytes(pickle.dumps(report.history))
    print(report.screen())
    _write(report, kept, str(plan.seed))
    if options.keep:
        _write(report, ROOT / "docs" / "faults", f"{datetime.now(UTC):%Y-%m-%d}-{plan.tasks}")
    return 0 if report.ok else 1


def _plan(options: argparse.Namespace) -> Plan:
    drained_within_s = max(DRAINED_WITHIN_S, options.faults * DRAINED_PER_FAULT_S)
    return Plan(
        seed=options.seed,
        tasks=options.tasks,
        faults=options.faults,
        seconds=options.seconds or max(10.0, options.faults / FAULTS_A_SECOND),
        kinds=tuple(options.only) or None,
        drained_within_s=drained_within_s,
        timeout_s=2 * drained_within_s,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=", description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--seconds", type=float, help="duration of the faults (default: 1.2 s for each)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=list(TABLE),
        metavar="KIND",
        help="only this kind of fault; may be repeated",
    )
    parser.add_argument("--keep", action="store_true", help="dated copies of the report in docs/faults, too")
    parser.add_argument("--reactions", action="store_true", help="instead: measure recovery times after single faults")
    parser.add_argument("--verbose", action="store_true", help="print each fault when it is injected")
    return parser.parse_args()


def _write(report: Report, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(report.figures(), indent=2) + "\n", encoding="utf-8")
    (folder / f"{name}.svg").write_text(picture(report.history, seed=report.plan.seed), encoding="utf-8")
    print(f"{folder / name}.json and .svg")


if __name__ == "__main__":
    sys.exit(main())
