"""Memory that the worker shares with its children: the run lease, and how far each slot has come with its chunk."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING

from app.clock import now

if TYPE_CHECKING:
    from ctypes import c_double, c_longlong

    from app.task import Claim

POLL_S = 0.25


class RunLease:
    """The permission to run, which the worker renews while its heartbeats succeed; a frozen worker cannot tell them.

    Two instants: when the lease expires, and before which claims are void. Both are seconds by `app.clock.now`, a
    clock that all processes of a machine share.
    """

    def __init__(self) -> None:
        context = get_context("forkserver")
        self._expires_at: c_double = context.RawValue("d", math.inf)
        self._void_before: c_double = context.RawValue("d", -math.inf)

    def renew(self, expires_at: float) -> None:
        """Let the children run until then."""
        self._expires_at.value = expires_at

    def revoke(self) -> None:
        """Make all claims so far void: heartbeats failed for so long that other workers may hold these tasks now."""
        self._void_before.value = now()

    def covers(self, claim: Claim) -> bool:
        """Return whether the code of this claim may begin."""
        return claim.asked_at > self._void_before.value and now() < self._expires_at.value

    @property
    def is_expired(self) -> bool:
        """Whether nothing may run any more."""
        return now() >= self._expires_at.value

    def exit_when_expired(self) -> None:
        """In a child: start a thread that ends the process, whatever it runs, once the lease has expired.

        A handler that holds the interpreter in C all the while is not reached.
        """
        threading.Thread(target=self._watch, name="run-lease", daemon=True).start()

    def exit_if_expired(self) -> None:
        """In a child: send SIGKILL to its own process group if the lease has expired."""
        if self.is_expired:
            os.killpg(os.getpid(), signal.SIGKILL)

    def _watch(self) -> None:
        # SIGCONT is for the main thread, whose handler checks the lease before anything else. Delivered to this thread,
        # the main thread would go on first. Not `app.loop.repeat`, which would import a Redis client into each child.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})
        while True:
            self.exit_if_expired()
            time.sleep(POLL_S)


class Progress:
    """Written by the slot just before a task begins and read by the pool: no message, so a kill loses nothing."""

    def __init__(self) -> None:
        context = get_context("forkserver")
        self._begun: c_longlong = context.RawValue("q", 0)
        self._since: c_double = context.RawValue("d", 0.0)

    @property
    def begun(self) -> int:
        """One more than the position of the last task of the chunk that has begun."""
        return int(self._begun.value)

    def read(self) -> tuple[int, float]:
        """Return `begun`, and when that task began, in monotonic seconds; the two belong together."""
        while True:
            begun, since = int(self._begun.value), float(self._since.value)
            if begun == self._begun.value:
                return begun, since

    def reset(self, at: float) -> None:
        """Start over with a new chunk."""
        self._begun.value, self._since.value = 0, at

    def begin(self, position: int) -> None:
        """The code of this task begins now. The time is written first, so that it is there with the number."""
        self._since.value = time.monotonic()
        self._begun.value = position + 1
