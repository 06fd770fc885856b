"""Whether this worker can run tasks, by the state of its loops and its pool."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from app import liveness

if TYPE_CHECKING:
    from workers.pool.pool import Pool

UNABLE_LIMIT_S = 10.0


class Ability:
    """Reports why the worker cannot run tasks, and ends the worker if that lasts.

    If only some slots cannot be started, the others continue. Without any child, the worker claims nothing (its slots
    are withheld) and ends after UNABLE_LIMIT_S, because a new process may succeed.
    """

    def __init__(
        self, pool: Pool, end: Callable[[str], object], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._end = end
        self._clock = clock

    def trouble(self) -> str | None:
        """Return why this worker runs fewer tasks or none; None if there is no trouble."""
        starts = self._pool.start_trouble()
        return liveness.trouble() or (f"no child can be started: {starts.reason}" if starts else None)

    def may_claim(self) -> bool:
        """Return whether a task that is claimed now can run, and its outcome can be written."""
        return liveness.standstill() is None

    def step(self) -> bool:
        """End the worker if no child could be started for too long and none is left. Always return False."""
        starts = self._pool.start_trouble()
        if starts and self._clock() - starts.since > UNABLE_LIMIT_S and not self._pool.has_children():
            self._end(f"no child can be started: {starts.reason}")
        return False
