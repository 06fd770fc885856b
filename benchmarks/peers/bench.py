"""One peer on its store, and the steps of all measures: create before an instant, wait for the starts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.peers.creator import Creator
from benchmarks.peers.peer import Peer
from benchmarks.peers.records import count_records, count_writers, read_records, starts_of
from benchmarks.peers.result import NS_PER_S, Starts
from benchmarks.peers.scene import PeerError, Scene
from benchmarks.peers.stores import Store
from benchmarks.peers.workers import Workers

POLL_S = 0.1
BUSY_S = 10.0
QUIET_S = 10.0
"""A peer that has started no task for this long is assumed to be finished."""
START_S = 30.0
SETTLE_S = 0.3
WARM_TASKS, WARM_ROUNDS = 50, 5
ATTEMPTS = 2
BESIDE_WORKERS = 2.5
"""The factor by which creation slows down while workers listen, because some are notified of each task."""
MARGIN = 1.4
LEAD_S = 30.0


@dataclass
class Bench:
    """A peer that is installed, and a store of its own."""

    peer: Peer
    home: Path
    store: Store
    folder: Path
    """A temporary folder."""
    log: Path
    each_per_s: float = 1000.0
    """The last measured rate of tasks created by one call each."""
    bulk_per_s: float | None = None
    """The same in bulk, if the peer can."""
    next_number: int = field(default=0)

    def scene(self, *, task_s: float = 0.0) -> Scene:
        """Open a scene with an empty folder of records."""
        records = Path(mkdtemp(prefix=f"{self.peer.name}-", dir=self.folder))
        return Scene(self.peer, self.home, self.store.url, records, self.log, task_s)

    def creator(self) -> Creator:
        """Run the process that creates tasks, for measures without workers."""
        return Creator(self.scene())

    def numbers(self, count: int) -> range:
        """Return numbers that no task has had."""
        first, self.next_number = self.next_number, self.next_number + count
        return range(first, self.next_number)

    @contextmanager
    def working(self, *, task_s: float = 0.0) -> Iterator[tuple[Workers, Creator]]:
        """Run warm workers and the process that creates tasks, on an emptied store."""
        self.store.empty()
        scene = self.scene(task_s=task_s)
        with Workers(scene) as workers, Creator(scene) as creator:
            self._warm(workers, creator)
            yield workers, creator

    def each_before(self, workers: Workers, creator: Creator, offsets_ms: Sequence[int]) -> tuple[range, int]:
        """Create a task for each of these instants, one by one; return their numbers and the base instant in ms.

        That is a whole second after the last was created. If it turns out not to be, all is done once more.
        """
        for _ in range(ATTEMPTS):
            numbers = self.numbers(len(offsets_ms))
            start_ms = _whole_second_after(BESIDE_WORKERS * len(offsets_ms) / self.each_per_s)
            self.each_per_s = creator.each(numbers.start, [start_ms + offset for offset in offsets_ms]).per_s
            if self._is_ahead(workers, numbers, start_ms):
                return numbers, start_ms
        raise PeerError(f"its tasks were not created in time, at {self.each_per_s:.0f}/s")

    def all_before(self, workers: Workers, creator: Creator, tasks: int) -> tuple[range, int]:
        """Do the same as `each_before` for one instant, in the fastest way of the peer."""
        rate = self.bulk_per_s or self.each_per_s
        for _ in range(ATTEMPTS):
            numbers, at_ms = self.numbers(tasks), _whole_second_after(MARGIN * tasks / rate)
            rate = creator.all_at(numbers.start, at_ms, tasks).per_s
            if self._is_ahead(workers, numbers, at_ms):
                return numbers, at_ms
        raise PeerError(f"its tasks were not created in time, at {rate:.0f}/s")

    def wait_for_starts(self, workers: Workers, numbers: range, *, due_ns: int) -> Starts:
        """Return when each began, once all have or none has for `QUIET_S` after they were due."""
        time.sleep(max((due_ns - time.time_ns()) / NS_PER_S, 0))
        seen, changed = 0, time.monotonic()
        while True:
            starts = starts_of(read_records(workers.scene.records), numbers)
            if len(starts) == len(numbers):
                time.sleep(SETTLE_S)
                return starts_of(read_records(workers.scene.records), numbers)
            if len(starts) > seen:
                seen, changed = len(starts), time.monotonic()
            if time.monotonic() > changed + QUIET_S:
                return starts
            workers.check()
            _sleep_while_busy(workers.scene.records)

    def _is_ahead(self, workers: Workers, numbers: range, at_ms: int) -> bool:
        """Return whether the instant is ahead; if it is not, wait until these tasks are done."""
        if time.time() * 1000 < at_ms:
            return True
        self.wait_for_starts(workers, numbers, due_ns=0)
        return False

    def _warm(self, workers: Workers, creator: Creator) -> None:
        """Run tasks until both worker processes have had some."""
        patience = time.monotonic() + START_S
        for _ in range(WARM_ROUNDS):
            numbers, due_ms = self.numbers(WARM_TASKS), int(time.time() * 1000) + 50
            creator.each(numbers.start, [due_ms] * WARM_TASKS)
            while not count_records(workers.scene.records):
                workers.check()
                if time.monotonic() > patience:
                    raise PeerError(f"its workers ran nothing within {START_S:g} s")
                time.sleep(POLL_S)
            self.wait_for_starts(workers, numbers, due_ns=due_ms * 1_000_000)
            if count_writers(workers.scene.records) > 1:
                return


def _whole_second_after(seconds: float) -> int:
    """Return a whole second in ms since 1970, at least half a second ahead."""
    return 1000 * (int(time.time() + min(seconds + 0.5, LEAD_S)) + 1)


def _sleep_while_busy(records: Path) -> None:
    """Sleep until no more records come, at most `BUSY_S`: reading them slows the peer down."""
    patience, before = time.monotonic() + BUSY_S, -1
    while time.monotonic() < patience and (now := count_records(records)) > before:
        before = now
        time.sleep(POLL_S)
