"""Liveness of the loops of this process. Each loop records its steps."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from app.logs import get_logger

log = get_logger()

SILENT_AFTER_S = 10.0
POLL_INTERVAL_S = 1.0
LOG_LIMIT_S = 1.0
EXIT_SOFTWARE = 70  # EX_SOFTWARE


class LoopState:
    """The state of one loop. `passes` counts the steps that succeeded or found a server unavailable."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.passes = 0
        self._well_at = time.monotonic()
        self._passed_at = self._well_at
        self._why = ""

    def step_done(self, *, unavailable: Exception | None = None) -> None:
        """Record a step that succeeded, or that failed because a server was `unavailable`."""
        self._passed_at = time.monotonic()
        self.passes += 1
        if unavailable is None:
            self._well_at, self._why = self._passed_at, ""
        else:
            self._why = type(unavailable.__cause__ or unavailable).__name__

    def step_failed(self, error: BaseException) -> None:
        """Record an unexpected error. The loop continues, but does not count as alive until a step succeeds."""
        self._why = type(error).__name__

    def trouble(self, after_s: float = SILENT_AFTER_S) -> str | None:
        """Return a fault that has lasted for longer than `after_s`; None if there is none."""
        now = time.monotonic()
        if now - self._well_at <= after_s:
            return None
        what = f"has failed for {now - self._well_at:.0f} s ({self._why})" if self._why else self._silence(now)
        return f"{self.name} {what}"

    def is_stuck(self, after_s: float = SILENT_AFTER_S) -> bool:
        """Return whether no step has ended for longer than `after_s`. An unavailable server is then not the cause."""
        return time.monotonic() - self._passed_at > after_s

    def _silence(self, now: float) -> str:
        return f"has made no step for {now - self._well_at:.0f} s"


_loops: list[LoopState] = []


def watch(state: LoopState) -> None:
    """Watch a loop, which must record its steps from now on."""
    _loops.append(state)


def forget(state: LoopState) -> None:
    """Stop watching a loop, because it ends."""
    with suppress(ValueError):  # it was not watched
        _loops.remove(state)


def trouble() -> str | None:
    """Return the fault of a loop of this process; None if all loops make progress."""
    return next((found for each in _loops.copy() if (found := each.trouble())), None)


def standstill() -> str | None:
    """Return the fault of a loop that makes no progress for another reason than an unavailable server; else None."""
    return next((each.trouble() for each in _loops.copy() if each.is_stuck()), None)


class Watchdog:
    """Ends the process when one of its loops has made no step for `limit_s`, so that it is started again.

    Only time in which the watchdog itself runs is counted, so that a process that was frozen is not ended for that.
    """

    def __init__(
        self, end: Callable[[str], object], *, limit_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._end = end
        self._limit_s = limit_s
        self._clock = clock
        self._looked_at = clock()
        self._silent: dict[LoopState, tuple[int, float]] = {}  # `passes`, and seconds since it changed

    def start(self, stop: threading.Event) -> None:
        """Check all loops once a second in a thread, until `stop` is set."""

        def run() -> None:
            while not stop.wait(POLL_INTERVAL_S):
                self.step()

        threading.Thread(target=run, name="watchdog", daemon=True).start()

    def step(self) -> bool:
        """Check all loops once. Return False, because there is nothing more to do now."""
        now = self._clock()
        passed_s, self._looked_at = min(now - self._looked_at, 2 * POLL_INTERVAL_S), now
        before, self._silent = self._silent, {}
        for each in _loops.copy():
            passes, silent_s = before.get(each, (each.passes, 0.0))
            silent_s = silent_s + passed_s if passes == each.passes else 0.0
            self._silent[each] = each.passes, silent_s
            if silent_s > self._limit_s:
                self._end(each.trouble(0) or f"{each.name} makes no steps")
        return False


def end_process(why: str) -> None:
    """End this process at once, with a log line if the log can be written. Its tasks are rescued."""
    writing = threading.Thread(target=lambda: log.error("process_unable", why=why), daemon=True)
    writing.start()
    writing.join(LOG_LIMIT_S)  # the log itself may be what blocks the loops
    os._exit(EXIT_SOFTWARE)


def watch_process(stop: threading.Event, *, limit_s: float) -> None:
    """End this process when a loop makes no step for `limit_s`."""
    Watchdog(end_process, limit_s=limit_s).start(stop)
