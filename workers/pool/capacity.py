"""How many tasks the pool can take: its free slots, and the duration statistics by task type."""

from __future__ import annotations

import threading
from math import ceil

CHUNK_MS = 50.0
MAX_CHUNK = 500
SMOOTHING = 0.2


class FreeSlots:
    """Thread-safe count of free slots.

    `changed` guards the count and is notified when slots are given back. The inbox waits on the same condition.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.count = total
        self.changed = threading.Condition()

    def wait_until_all_free(self, timeout_s: float) -> bool:
        """Wait until all slots are free; return False after the timeout."""
        with self.changed:
            return self.changed.wait_for(lambda: self.count == self.total, timeout_s)

    def take(self, wanted: int) -> int:
        """Take up to `wanted` slots; return how many were taken."""
        with self.changed:
            taken = min(wanted, self.count)
            self.count -= taken
            return taken

    def give_back(self, taken: int) -> None:
        """Make this many slots free again."""
        with self.changed:
            self.count += taken
            self.changed.notify_all()

    def give_back_later(self, taken: int, delay_s: float) -> None:
        """Make this many slots free again after a delay."""
        timer = threading.Timer(delay_s, self.give_back, [taken])
        timer.daemon = True
        timer.start()


class DurationStats:
    """Running mean of the duration by task type, in milliseconds. A type that never ran counts as one of CHUNK_MS."""

    def __init__(self) -> None:
        self.means_ms: dict[str, float] = {}

    def observe(self, task_type: str, took_ms: float, tasks: int = 1) -> None:
        """Add `tasks` tasks of this type that took `took_ms` each."""
        mean = self.means_ms.get(task_type, took_ms)
        self.means_ms[task_type] = took_ms + (1 - SMOOTHING) ** tasks * (mean - took_ms)

    def capacity(self, task_type: str, slots: int) -> int:
        """Return how many tasks of this type `slots` slots may hold: about 50 ms of work each.

        Of a type that takes about 50 ms a slot holds two tasks, so that it need not wait for a claim between them.
        """
        mean_ms = max(self.means_ms.get(task_type, CHUNK_MS), CHUNK_MS / MAX_CHUNK)
        return slots * max(1, int(CHUNK_MS / mean_ms), min(2, round(2 * CHUNK_MS / mean_ms)))

    def is_slow(self, task_type: str) -> bool:
        """Return whether tasks of this type take at least 50 ms; True for a type that never ran."""
        return self.means_ms.get(task_type, CHUNK_MS) >= CHUNK_MS

    def slots_for(self, task_type: str, tasks: int) -> int:
        """Return over how many slots to spread `tasks` tasks of this type: one for each 50 ms of work."""
        work_ms = tasks * self.means_ms.get(task_type, CHUNK_MS)
        return min(tasks, max(1, ceil(work_ms / CHUNK_MS)))
