"""The loop of every actor: step, wait, repeat until stopped."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable

from redis.exceptions import RedisError

from app import liveness
from app.errors import LedgerUnavailable
from app.logs import get_logger
from app.reasons import reason_of
from app.redis_pool import is_refusal, name_of
from app.signals import STOP_SIGNALS, run_in_thread

log = get_logger()

MIN_BACKOFF_S = 0.1
MAX_BACKOFF_S = 2.0


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM or SIGINT sets. Further signals change nothing."""
    stop = threading.Event()
    handler = run_in_thread(stop.set)
    for number in STOP_SIGNALS:
        signal.signal(number, handler)
    return stop


class Outage:
    """The kinds of errors since a server was last available, so that each kind is logged once."""

    def __init__(self) -> None:
        self._met: set[str] = set()

    def is_new(self, trouble: Exception) -> bool:
        """Record an error; return whether it is the first of its kind in this outage."""
        cause = trouble.__cause__ or trouble
        kind = name_of(cause) if isinstance(cause, RedisError) else type(cause).__name__
        is_new = kind not in self._met
        self._met.add(kind)
        return is_new

    def end(self) -> bool:
        """Record that the server is available; return whether there was an outage."""
        was_unavailable = bool(self._met)
        self._met.clear()
        return was_unavailable


def describe(trouble: Exception) -> str:
    """Return what to log about an error of a server: the error code of Redis if it refused, otherwise `reason_of`."""
    cause = trouble.__cause__ or trouble
    return name_of(cause) if isinstance(cause, RedisError) and is_refusal(cause) else reason_of(trouble)


class Backoff:
    """Growing pauses while a server is unavailable. Each kind of error is logged once, and so is the recovery."""

    def __init__(self, name: str, *, max_s: float = MAX_BACKOFF_S) -> None:
        self._name = name
        self._max_s = max_s
        self._pause_s = 0.0
        self._outage = Outage()
        # Its own generator: other code may seed the global one, or check that it is not used, from other threads.
        self._jitter = random.Random()  # noqa: S311  # no secret

    def failed(self, trouble: Exception) -> float:
        """Count a failure; return how long to pause, in seconds."""
        if self._outage.is_new(trouble):
            log.warning("server_unavailable", loop=self._name, trouble=describe(trouble))
        self._pause_s = min(self._max_s, max(MIN_BACKOFF_S, self._pause_s * 2))
        return self._pause_s * self._jitter.uniform(0.5, 1.0)

    def succeeded(self) -> None:
        """Reset the pause."""
        self._pause_s = 0.0
        if self._outage.end():
            log.info("server_available", loop=self._name)


def repeat(
    step: Callable[[], bool], *, wait: Callable[[], object], stop: threading.Event, name: str,
    max_backoff_s: float = MAX_BACKOFF_S, survives_errors: bool = True, is_watched: bool = True,
) -> None:  # fmt: skip
    """Call `step` until `stop` is set. After a step that returns False (nothing more to do at once), call `wait`.

    Back off while a server is unavailable. Log any other exception and back off as well, because a process that runs
    unattended must survive its errors; without `survives_errors` such an exception ends the loop. `wait` must return
    within a few seconds, because the watchdog ends the process if a loop with `is_watched` makes no steps.
    """
    backoff, state = Backoff(name, max_s=max_backoff_s), liveness.LoopState(name)
    if is_watched:
        liveness.watch(state)
    while not stop.is_set():
        try:
            if not step():
                wait()
        except (LedgerUnavailable, RedisError) as unavailable:
            state.step_done(unavailable=unavailable)
            stop.wait(backoff.failed(unavailable))
        except Exception as trouble:
            state.step_failed(trouble)
            if not survives_errors:
                liveness.forget(state)
                raise
            log.exception("step_failed", loop=name)
            stop.wait(backoff.failed(trouble))
        else:
            state.step_done()
            backoff.succeeded()
    liveness.forget(state)
