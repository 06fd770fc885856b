"""Housekeeping chores. Each is an RQ job that a worker runs, bounded in time and idempotent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from app.clock import now
from app.config import read_settings
from app.connections import connect_postgres
from app.ledger import repairs, server, workers
from app.logs import get_logger
from app.loop import repeat
from workers.silence import Silence

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = get_logger()

TASKS_PER_BATCH = 1000
PURGE_FOR_S = 12.0  # less than the time to the next chore
REST = 2.0  # pause for twice as long as the last batch took, so that Postgres is busy for a third of the time
FORGET_WORKERS_AFTER_S = 86400.0


def purge_final_tasks() -> int:
    """Start removing tasks that have been final for longer than RETENTION_S. Return 0 if a purge is already running.

    A thread does it, because a worker takes no deliveries while it runs a chore.
    """
    if any(each.is_alive() for each in purges):
        return 0
    engine, older_than_s = _engine(), read_settings().retention_s
    purge = partial(_purge_batch, engine, older_than_s)
    purges[:] = [Purging(purge, full=TASKS_PER_BATCH).begin()]
    return 1


def purge_lost_workers() -> int:
    """Remove the rows of workers whose heartbeat is a day old and did not change while this process watched them.

    The age alone does not suffice: Postgres' clock may be set forward while the worker runs.
    """
    dead = _silence().look_at_workers()
    return workers.purge(_engine(), dead, older_than_s=FORGET_WORKERS_AFTER_S)


CHORES: Mapping[str, Callable[[], int]] = {
    "purge_final_tasks": purge_final_tasks,
    "purge_lost_workers": purge_lost_workers,
}
"""The chores by the names that RQ jobs use."""


class Purging:
    """Purges in batches with pauses, until a batch is not full or the time is over.

    `purge` removes a batch and returns how many rows; fewer than `full` means that nothing is left. If the process is
    killed, the batch is rolled back and the next run continues.
    """

    def __init__(
        self, purge: Callable[[], int], *, full: int, lasts_s: float = PURGE_FOR_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._purge, self._full, self._clock = purge, full, clock
        self._until = clock() + lasts_s
        self._stop = threading.Event()
        self.rest_s = 0.0
        """How long to wait before the next batch, in seconds."""
        self._removed = 0

    def begin(self) -> threading.Thread:
        """Run in a daemon thread."""
        thread = threading.Thread(target=self.run, name="purging", daemon=True)
        thread.start()
        return thread

    def run(self) -> int:
        """Remove batches until nothing is left or the time is over; return how many rows."""
        repeat(
            self.step,
            wait=lambda: self._stop.wait(self.rest_s),
            stop=self._stop,
            name="purging",
            is_watched=False,
        )
        if self._removed:
            log.info("final_tasks_purged", count=self._removed)
        return self._removed

    def step(self) -> bool:
        """Remove one batch. Return False, because a pause follows each batch."""
        began = self._clock()
        batch = self._purge() if began < self._until else 0
        self._removed += batch
        self.rest_s = REST * (self._clock() - began)
        if batch < self._full:
            self._stop.set()
        return False


def _purge_batch(engine: Engine, retention_s: float) -> int:
    """Remove a batch. Ages are measured by the earlier of two clocks, because Postgres' may be set forward by days."""
    ahead_s = server.clock(engine).timestamp() - time.time()
    return repairs.purge_final(engine, older_than_s=retention_s + max(0.0, ahead_s), limit=TASKS_PER_BATCH)


@cache
def _engine() -> Engine:
    return connect_postgres(read_settings(), name="housekeeping", pool=1)


@cache
def _silence() -> Silence:
    return Silence(_engine(), dead_after_s=read_settings().worker_dead_after_s, clock=now)


purges: list[threading.Thread] = []
"""The thread of the last purge in this process, if there was one."""
