"""Whether the loops of this process do their work. Each loop says so itself, with every step."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

log = structlog.get_logger()

SILENT_AFTER_S = 10.0
POLL_INTERVAL_S = 1.0
LOG_LIMIT_S = 1.0
EXIT_SOFTWARE = 70  # EX_SOFTWARE


class LoopState:
    """What one loop says of itself. `passes` counts steps that ended well or found a server unavailable."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.passes = 0
        self._well_at = time.monotonic()
        self._passed_at = self._well_at
        self._why = ""

    def step_done(self, *, unavailable: Exception | None = None) -> None:
        """Note a step that ended well, or that could not because a server was `unavailable`."""
        self._passed_at = time.monotonic()
        self.passes += 1
        if unavailable is None:
            self._well_at, self._why = self._passed_at, ""
        else:
            self._why = type(unavailable.__cause__ or unavailable).__name__

    def step_failed(self, error: BaseException) -> None:
        """Note an unknown error. The loop goes on, but does not count as alive until a step ends well."""
        self._why = type(error).__name__

    def trouble(self, after_s: float = SILENT_AFTER_S) -> str | None:
        """Return what has been wrong for longer than `after_s`; None if nothing is."""
        now = time.monotonic()
        if now - self._well_at <= after_s:
            return None
        what = f"has failed for {now - self._well_at:.0f} s ({self._why})" if self._why else self._silence(now)
        return f"{self.name} {what}"

    def is_stuck(self, after_s: float = SILENT_AFTER_S) -> bool:
        """Return whether no step has passed for longer than `after_s`, so that no server is the cause."""
        return time.monotonic() - self._passed_at > after_s

    def _silence(self, now: float) -> str:
        return f"has made no step for {now - self._well_at:.0f} s"


_loops: list[LoopState] = []


def watch(state: LoopState) -> None:
    """Watch a loop, which has to note its steps from now on."""
    _loops.append(state)


def forget(state: LoopState) -> None:
    """Watch a loop no longer, because it was told to stop."""
    with suppress(ValueError):  # it was not watched
        _loops.remove(state)


def trouble() -> str | None:
    """Return what is wrong with a loop of this process; None if all do their work."""
    return next((found for each in _loops.copy() if (found := each.trouble())), None)


def standstill() -> str | None:
    """Return which loop stands still or fails at every step, for another reason than an unavailable server."""
    return next((each.trouble() for each in _loops.copy() if each.is_stuck()), None)


class Watchdog:
    """Ends the process when one of its loops has made no step for `limit_s`, so that it is started again.

    It counts only time in which it runs itself: after a process was frozen, its loops have their whole time again.
    """

    def __init__(
        self, end: Callable[[str], object], *, limit_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._end = end
        self._limit_s = limit_s
        self._clock = clock
        self._looked_at = clock()
        self._silent: dict[LoopState, tuple[int, float]] = {}  # passes, and for how long there were no more

    def start(self, stop: threading.Event) -> None:
        """Look once a second in a thread, until `stop` is set."""

        def run() -> None:
            while not stop.wait(POLL_INTERVAL_S):
                self.step()

        threading.Thread(target=run, name="watchdog", daemon=True).start()

    def step(self) -> bool:
        """Look at all loops once. Return False, because there is nothing more to do now."""
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
    """End this process at once, with a log line if the log can be written. What it held is taken over by others."""
    writing = threading.Thread(target=lambda: log.error("process_unable", why=why), daemon=True)
    writing.start()
    writing.join(LOG_LIMIT_S)  # the log itself may be what all wait for
    os._exit(EXIT_SOFTWARE)


def watch_process(stop: threading.Event, *, limit_s: float) -> None:
    """End this process when a loop makes no step for `limit_s`."""
    Watchdog(end_process, limit_s=limit_s).start(stop)
