"""Clocks: a monotonic clock of this machine, and Postgres' clock, which alone decides what is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from app.errors import LedgerUnavailable

MEASURE_INTERVAL_S = 10.0
CHECK_INTERVAL_S = 1.0
UNEXPLAINED_S = 0.005
RETRY_S = 1.0
MEASUREMENTS = 3
SLOW_S = 0.5


def now() -> float:
    """Return monotonic seconds, including the time that the machine was suspended, if the system can count it."""
    return _clock_gettime(_CLOCK)


_clock_gettime = time.clock_gettime  # a handler may replace `time.clock_gettime`
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class PostgresClock:
    """The time by Postgres' clock, computed from the clock of this machine and the measured offset.

    The offset is measured every 10 s and kept while Postgres is unavailable. Once a second, one query checks whether
    Postgres' clock was set; if it was, the offset is measured at once. Before the first measurement the wall clock of
    this machine is used. `ask` returns Postgres' time. It is an argument because the children of the pool import this
    module for `now` and must not load a database driver.
    """

    def __init__(self, ask: Callable[[], datetime], *, own: Callable[[], float] | None = None) -> None:
        """`own` replaces both clocks of this machine."""
        self._ask = ask
        self._own = own or now
        self._offset_s = 0.0 if own else time.time() - now()
        self._measure_at = self._check_at = float("-inf")

    def now(self) -> float:
        """Return seconds since 1970, by Postgres' clock."""
        return self._own() + self._offset_s

    def refresh(self) -> None:
        """Measure the offset if the last measurement is too old, or if Postgres' clock was set."""
        own = self._own()
        is_old = not 0 <= self._measure_at - own <= MEASURE_INTERVAL_S
        if not is_old and 0 <= self._check_at - own <= CHECK_INTERVAL_S:
            return
        try:
            if is_old or self._was_set():
                self._offset_s = measure_offset_s(self._ask, self._own)
                self._measure_at = self._own() + MEASURE_INTERVAL_S
            self._check_at = self._own() + CHECK_INTERVAL_S
        except LedgerUnavailable:
            self._measure_at = self._check_at = self._own() + RETRY_S

    def _was_set(self) -> bool:
        """Return whether Postgres' time differs from the computed time by more than the query's duration explains."""
        asked_at = self.now()
        theirs = self._ask().timestamp()
        return not asked_at - UNEXPLAINED_S <= theirs <= self.now() + UNEXPLAINED_S


def measure_offset_s(ask: Callable[[], datetime], own: Callable[[], float]) -> float:
    """Return how many seconds the clock behind `ask` is ahead of `own`.

    Like NTP, it uses the quickest of several answers, because the first may include the time to connect. After a
    slow answer it does not ask again.

    Raises:
        LedgerUnavailable: Postgres does not answer.
    """
    answers: list[tuple[float, float]] = []
    while len(answers) < MEASUREMENTS and (not answers or answers[-1][0] < SLOW_S):
        asked_at = own()
        theirs = ask().timestamp()
        answered_at = own()
        answers.append((answered_at - asked_at, theirs - (asked_at + answered_at) / 2))
    return min(answers)[1]
