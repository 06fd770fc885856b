"""The measures, each the same for every peer: create, bytes, lag, drain, kill."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from benchmarks.peers.bench import Bench
from benchmarks.peers.creator import Creator
from benchmarks.peers.records import count_records, ended_of, read_records, starts_of
from benchmarks.peers.result import NS_PER_MS, Drain, Kill, Lag, PeerResult
from benchmarks.peers.scene import PeerError
from benchmarks.peers.workers import Workers

DAY_MS = 86_400_000
LAGS_PER_S = 100
RUNS = 3
FIRST = 10
HALF_S = 60.0
STILL_S = 2.0
STILL_SHARE = 0.002


@dataclass(frozen=True)
class Extent:
    """How much is measured of each peer."""

    lag_s: int = 10
    kill: bool = False
    waiting: int = 20_000
    """The number of tasks for the measurement of bytes; 0 skips it."""
    create_s: float = 1.0
    bulk: int = 5_000
    drain: int | None = None
    """The number of tasks in a drain; by default that of the peer's description."""
    repeated_s: float = 12.0
    """A drain that took no longer than this, including creation, is repeated three times."""
    killed: int = 2_000
    killed_task_s: float = 0.005
    killed_after_s: float = 20.0


WHOLE = Extent()
QUICK = Extent(waiting=0, create_s=0.3, repeated_s=8.0)
"""The extent in `make bench`."""
SMALL = Extent(lag_s=3, waiting=2_000, create_s=0.2, bulk=500, drain=500, repeated_s=0.0)
"""A small extent to test the benchmark itself."""


def set_up(bench: Bench) -> None:
    """Create the peer's tables; no connection stays open."""
    bench.store.empty()
    with bench.creator() as creator:
        creator.set_up()
    bench.store.keep_set_up()


def create_and_keep(bench: Bench, result: PeerResult, extent: Extent) -> None:
    """Measure creations per second without workers, and the bytes of tasks that wait until tomorrow."""
    bench.store.empty()
    far_ms = int(time.time() * 1000) + DAY_MS
    before = bench.store.used_bytes()
    with bench.creator() as creator:
        first = creator.each(0, [far_ms] * FIRST)  # opens connections and loads modules
        rounds = [creator.during(0, far_ms, extent.create_s) for _ in range(RUNS)]
        result.creates_per_s = [each.per_s for each in rounds]
        bulks = [creator.bulk(0, far_ms, extent.bulk) for _ in range(RUNS)] if creator.has_bulk else []
        result.bulk_creates_per_s = [each.per_s for each in bulks]
        tasks = sum(each.tasks for each in (first, *rounds, *bulks))
        if tasks < extent.waiting:
            tasks += creator.all_at(0, far_ms, extent.waiting - tasks).tasks
    bench.each_per_s = result.create_per_s or bench.each_per_s
    bench.bulk_per_s = result.bulk_create_per_s
    if not extent.waiting:
        return
    if bench.peer.moves_waiting:
        with Workers(bench.scene()):
            _until_still(bench)
    result.bytes_per_task = (bench.store.used_bytes() - before) / tasks


def drain_and_lag(bench: Bench, result: PeerResult, extent: Extent) -> None:
    """Measure both with the same workers."""
    with bench.working() as (workers, creator):
        result.lag = _lag(bench, workers, creator, tasks=LAGS_PER_S * extent.lag_s)
        tasks, began = extent.drain or bench.peer.drain, time.monotonic()
        result.drains.append(_drain(bench, workers, creator, tasks=tasks))
        if time.monotonic() < began + extent.repeated_s:
            result.drains += [_drain(bench, workers, creator, tasks=tasks) for _ in range(RUNS - 1)]


def kill(bench: Bench, result: PeerResult, extent: Extent) -> None:
    """Kill all workers once half of the tasks have ended, start new ones at once, and count."""
    with bench.working(task_s=extent.killed_task_s) as (workers, creator):
        before = count_records(workers.scene.records)
        numbers, due_ms = bench.all_before(workers, creator, extent.killed)
        while count_records(workers.scene.records) - before < len(numbers):  # two records for each
            workers.check()
            if time.time() * 1000 > due_ms + 1000 * HALF_S:
                raise PeerError(f"half of its tasks did not end within {HALF_S:g} s")
            time.sleep(0.002)
        workers.kill()
        begun = len(starts_of(read_records(workers.scene.records), numbers))
        with Workers(workers.scene):
            time.sleep(extent.killed_after_s)
            records = read_records(workers.scene.records)
    starts, ended = starts_of(records, numbers), ended_of(records, numbers)
    result.kill = Kill.of(starts, ended, numbers=numbers, begun_at_kill=begun, after_s=extent.killed_after_s)


def _lag(bench: Bench, workers: Workers, creator: Creator, *, tasks: int) -> Lag:
    drawn = random.Random(tasks)
    offsets_ms = sorted(drawn.randrange(1000 * tasks // LAGS_PER_S) for _ in range(tasks))
    numbers, start_ms = bench.each_before(workers, creator, offsets_ms)
    due_ns = {number: (start_ms + offset) * NS_PER_MS for number, offset in zip(numbers, offsets_ms, strict=True)}
    starts = bench.wait_for_starts(workers, numbers, due_ns=max(due_ns.values()))
    return Lag.of(starts, due_ns=due_ns)


def _drain(bench: Bench, workers: Workers, creator: Creator, *, tasks: int) -> Drain:
    numbers, at_ms = bench.all_before(workers, creator, tasks)
    starts = bench.wait_for_starts(workers, numbers, due_ns=at_ms * NS_PER_MS)
    return Drain.of(starts, numbers=numbers, due_ns=at_ms * NS_PER_MS)


def _until_still(bench: Bench) -> None:
    """Wait until the size of the store has not changed for some seconds, at most half a minute."""
    patience, still_since, size = time.monotonic() + 30.0, time.monotonic(), bench.store.used_bytes()
    while time.monotonic() < min(patience, still_since + STILL_S):
        time.sleep(0.2)
        now = bench.store.used_bytes()
        if abs(now - size) > STILL_SHARE * size:
            still_since, size = time.monotonic(), now
