"""Removes what was kept long enough, beside the work of a worker: batch after batch in a thread, with rests between."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog

from workers.loop import repeat

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

LASTS_S = 12.0  # less than the time to the next chore
REST = 2.0  # so many times as long as the batch before took: Postgres is kept busy a third of the time at most


class Purging:
    """Batches until one is not full or the time is over. Killed at any point it leaves whole ones; the next goes on.

    `purge` removes a batch and answers how many; fewer than `full`: nothing is left.
    """

    def __init__(
        self, purge: Callable[[], int], *, full: int, lasts_s: float = LASTS_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._purge, self._full, self._clock = purge, full, clock
        self._until = clock() + lasts_s
        self._stop = threading.Event()
        self._rest_s = 0.0
        self._removed = 0

    def begin(self) -> threading.Thread:
        """Run in a thread, which the end of the process does not wait for."""
        thread = threading.Thread(target=self.run, name="purging", daemon=True)
        thread.start()
        return thread

    def run(self) -> int:
        """How many were removed."""
        repeat(self.step, wait=lambda: self._stop.wait(self._rest_s), stop=self._stop, name="purging")
        if self._removed:
            log.info("final_tasks_purged", count=self._removed)
        return self._removed

    def step(self) -> bool:
        """One batch; never two without a rest."""
        began = self._clock()
        batch = self._purge() if began < self._until else 0
        self._removed += batch
        self._rest_s = REST * (self._clock() - began)
        if batch < self._full:
            self._stop.set()
        return False
