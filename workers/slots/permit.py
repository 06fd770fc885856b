"""Until when the children of a worker may run, and which claims are void: a frozen worker cannot tell them."""

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

    from app.task import Claim

LOOK_EVERY_S = 0.25


class Permit:
    """Two numbers in memory that the worker shares with its children; seconds by `now`, the same clock for all."""

    def __init__(self) -> None:
        context = get_context("forkserver")
        self._until: c_double = context.RawValue("d", math.inf)
        self._void_before: c_double = context.RawValue("d", -math.inf)

    def renew(self, until: float) -> None:
        """The children may run until then."""
        self._until.value = until

    def lapse(self) -> None:
        """The worker was silent for too long: what it claimed before may be another's now."""
        self._void_before.value = now()

    def covers(self, claim: Claim) -> bool:
        """Whether the code of this claim may begin."""
        return claim.asked_at > self._void_before.value and now() < self._until.value

    def end_with_it(self) -> None:
        """In a child: SIGKILL to its own group once the permit is over, whatever it runs.

        A thread sees to it; a handler that holds the interpreter in C all the while is not reached.
        """
        threading.Thread(target=self._watch, name="permit", daemon=True).start()

    def end_if_over(self) -> None:
        """The same at once: what a process does first that was frozen and goes on."""
        if now() >= self._until.value:
            os.killpg(os.getpid(), signal.SIGKILL)

    def _watch(self) -> None:
        # For the main thread, whose handler looks at the permit first: were this one told, that one would run already.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})
        while True:
            self.end_if_over()
            time.sleep(LOOK_EVERY_S)


def now() -> float:
    """Seconds by a clock that nobody sets and that goes on while a laptop sleeps, where the system has one."""
    return time.clock_gettime(_CLOCK)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
