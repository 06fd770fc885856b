"""One request to stop that reaches every process of a run, and that no death can lose: the end of a pipe.

An Event of multiprocessing hangs its setter when a process that waits for it was killed.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import wait


class Stop:
    """Given by the run, or by its death; heard by all that listen."""

    def __init__(self) -> None:
        self._heard, self._kept_open = multiprocessing.Pipe(duplex=False)

    def give(self) -> None:
        """Ask all to stop; may be repeated."""
        self._kept_open.close()

    def listen(self) -> None:
        """To be called once in each process that listens: only the run itself may keep the pipe open."""
        self._kept_open.close()

    def wait(self, seconds: float) -> bool:
        """Wait up to so many seconds; whether the stop was given."""
        return bool(wait([self._heard], seconds))
