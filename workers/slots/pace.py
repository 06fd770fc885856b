"""How long tasks of each type take here, and what follows for how many of them a slot is given."""

from __future__ import annotations

from math import ceil

CHUNK_MS = 50.0
MOST_IN_A_CHUNK = 500
SMOOTHING = 0.2


class Pace:
    """Running means by type, in milliseconds. A type that never ran gets a slot for each task."""

    def __init__(self) -> None:
        self.means_ms: dict[str, float] = {}

    def observe(self, task_type: str, took_ms: float, tasks: int = 1) -> None:
        """So many tasks of this type took so long each."""
        mean = self.means_ms.get(task_type, took_ms)
        self.means_ms[task_type] = took_ms + (1 - SMOOTHING) ** tasks * (mean - took_ms)

    def capacity(self, task_type: str, slots: int) -> int:
        """How many tasks of this type so many slots may have: about 50 ms of work each, but two where they take that.

        So a slot that ends a task of 50 ms has the next one at hand; one of a longer type waits for a claim.
        """
        mean_ms = max(self.means_ms.get(task_type, CHUNK_MS), CHUNK_MS / MOST_IN_A_CHUNK)
        return slots * max(1, int(CHUNK_MS / mean_ms), min(2, round(2 * CHUNK_MS / mean_ms)))

    def is_slow(self, task_type: str) -> bool:
        """Whether a task of this type takes a slot for long, as far as is known."""
        return self.means_ms.get(task_type, CHUNK_MS) >= CHUNK_MS

    def slots_for(self, task_type: str, tasks: int) -> int:
        """How many slots so many tasks of this type are worth: one for each 50 ms of work."""
        work_ms = tasks * self.means_ms.get(task_type, CHUNK_MS)
        return min(tasks, max(1, ceil(work_ms / CHUNK_MS)))
