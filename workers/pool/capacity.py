"""How much the pool can take: its free slots, and how long tasks of each type take."""

from __future__ import annotations

import threading
from math import ceil

CHUNK_MS = 50.0
MAX_CHUNK = 500
SMOOTHING = 0.2


class FreeSlots:
    """The number of free slots, taken and given back by several threads.

    `changed` guards the number and is notified of each change. The inbox waits on the same condition.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.count = total
        self.changed = threading.Condition()

    def wait_until_all_free(self, timeout_s: float) -> bool:
        """Return True as soon as all slots are free, False after the timeout."""
        with self.changed:
            return self.changed.wait_for(lambda: self.count == self.total, timeout_s)

    def take(self, wanted: int) -> int:
        """Take up to `wanted` slots, and return how many were free."""
        with self.changed:
            taken = min(wanted, self.count)
            self.count -= taken
            return taken

    def give_back(self, taken: int) -> None:
        """Make this many slots free again."""
        with self.changed:
            self.count += taken
            self.changed.notify_all()

    def give_back_later(self, taken: int, seconds: float) -> None:
        """Make this many slots free again after some seconds."""
        later = threading.Timer(seconds, self.give_back, [taken])
        later.daemon = True
        later.start()


class DurationStats:
    """Running means of the duration by task type, in milliseconds. A task of an unknown type gets its own slot."""

    def __init__(self) -> None:
        self.means_ms: dict[str, float] = {}

    def observe(self, task_type: str, took_ms: float, tasks: int = 1) -> None:
        """Add `tasks` tasks of this type that took `took_ms` each."""
        mean = self.means_ms.get(task_type, took_ms)
        self.means_ms[task_type] = took_ms + (1 - SMOOTHING) ** tasks * (mean - took_ms)

    def capacity(self, task_type: str, slots: int) -> int:
        """Return how many tasks of this type `slots` slots may hold: about 50 ms of work, but two of about 50 ms.

        So a slot that ends a task of 50 ms has the next one at hand; one of a longer type waits for a claim.
        """
        mean_ms = max(self.means_ms.get(task_type, CHUNK_MS), CHUNK_MS / MAX_CHUNK)
        return slots * max(1, int(CHUNK_MS / mean_ms), min(2, round(2 * CHUNK_MS / mean_ms)))

    def is_slow(self, task_type: str) -> bool:
        """Return whether a task of this type, as far as is known, takes at least 50 ms."""
        return self.means_ms.get(task_type, CHUNK_MS) >= CHUNK_MS

    def slots_for(self, task_type: str, tasks: int) -> int:
        """Return how many slots `tasks` tasks of this type are worth: one for each 50 ms of work."""
        work_ms = tasks * self.means_ms.get(task_type, CHUNK_MS)
        return min(tasks, max(1, ceil(work_ms / CHUNK_MS)))
