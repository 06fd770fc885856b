"""`make chaos`: tasks run while processes die and Redis is wiped; then every task is accounted for."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.acceptance.client import Json, new_task, seconds
from tests.acceptance.service import Service
from tests.acceptance.stores import Stores
from tests.acceptance.witness import Witness
from tests.faults.nemesis import Nemesis

DRAIN_S = 60.0
CREATE_EVERY = 100


def main() -> int:
    """Run, tell, and return 1 if a promise was broken."""
    options = argparse.ArgumentParser(prog="make chaos ARGS=", description=__doc__)
    options.add_argument("--tasks", type=int, default=2000)
    options.add_argument("--seconds", type=float, default=30, help="how long faults happen")
    options.add_argument("--every", type=float, default=1.5, help="seconds between two faults, on average")
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = options.parse_args()
    print(f"seed {asked.seed}: {asked.tasks} tasks, faults for {asked.seconds:g} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="punctual-chaos-") as folder:
        Path(folder).chmod(0o755)
        with Stores(Path(folder)) as stores, Service(stores, Path(folder, "service"), {}) as service:
            service.start(web=1, promoter=2, worker=2, sweeper=1, scheduler=1)
            return _report(*_run(service, Witness(Path(folder, "witness")), asked))


def _run(
    service: Service, witness: Witness, asked: argparse.Namespace
) -> tuple[Nemesis, dict[str, Json], Witness, float]:
    nemesis = Nemesis(service, seed=asked.seed, every_s=asked.every)
    chance = random.Random(asked.seed)
    ids: list[str] = []
    nemesis.start()
    began = time.time()
    while len(ids) < asked.tasks:
        ends = began + asked.seconds
        wanted = [
            new_task("witness", witness.payload(), execute_at=chance.uniform(time.time(), max(time.time() + 1, ends)))
            for _ in range(CREATE_EVERY)
        ]
        ids += [each["id"] for each in service.client.create_many(wanted)]
    time.sleep(max(0.0, began + asked.seconds - time.time()))
    nemesis.stop()
    healed = time.time()
    done = service.client.wait_final(ids, timeout=DRAIN_S, type="witness")
    return nemesis, done, witness, time.time() - healed


def _report(nemesis: Nemesis, done: dict[str, Json], witness: Witness, drained_s: float) -> int:
    starts: dict[str, list[float]] = {}
    for sight in witness.sights():
        if sight.what == "began":
            starts.setdefault(sight.task_id, []).append(sight.at)
    succeeded = {name for name, each in done.items() if each["state"] == "succeeded"}
    lost = {name for name, each in done.items() if (each["error"] or {}).get("type") == "worker_lost"}
    broken = {
        "begun twice": sum(len(times) > 1 for times in starts.values()),
        "begun early": sum(min(times) < seconds(done[name]["execute_at"]) for name, times in starts.items()),
        "succeeded without having begun": len(succeeded - starts.keys()),
        "ended otherwise": len(done.keys() - succeeded - lost),
    }
    lags = sorted(each["lag_ms"] for each in done.values() if each["lag_ms"] is not None)
    for fault, count in sorted(nemesis.faults.items()):
        print(f"  {count:4} x {fault}")
    print(f"{len(done)} tasks, none lost, all final {drained_s:.1f} s after the last fault")
    print(f"  {len(succeeded)} succeeded, {len(lost)} ended as worker_lost")
    print(f"  {', '.join(f'{what} {count}' for what, count in broken.items())}")
    print(f"  lag p50 {lags[len(lags) // 2]:.0f} ms, p99 {lags[len(lags) * 99 // 100]:.0f} ms, worst {lags[-1]:.0f} ms")
    if nemesis.trouble:
        print(f"the nemesis stopped: {nemesis.trouble!r}")
    return int(any(broken.values()) or nemesis.trouble is not None)


if __name__ == "__main__":
    sys.exit(main())
