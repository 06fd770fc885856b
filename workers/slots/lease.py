"""Until when the children of this worker may run: a frozen worker cannot stop them, so they stop themselves."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctypes import c_double

LOOK_EVERY_S = 0.25


class Lease:
    """One number in memory that the worker shares with its children: monotonic seconds, the same clock for all."""

    def __init__(self) -> None:
        self.until: c_double = get_context("forkserver").RawValue("d", math.inf)

    def renew(self, until: float) -> None:
        """The children may run until then."""
        self.until.value = until


def end_with(until: c_double) -> None:
    """In a child: SIGKILL to its own group once the lease is over, whatever it runs.

    A thread sees to it; a handler that holds the interpreter in C all the while is not reached.
    """

    def watch() -> None:
        while time.monotonic() < until.value:
            time.sleep(LOOK_EVERY_S)
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="lease", daemon=True).start()
