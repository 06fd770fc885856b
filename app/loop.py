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
    """The kinds of errors that were met since a server was last available, so that each is logged once."""

    def __init__(self) -> None:
        self._met: set[str] = set()

    def is_new(self, trouble: Exception) -> bool:
        """Record an error; return whether none of its kind was met in this outage."""
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
    """Return what to log of an error of a server: the word of a Redis that refuses, otherwise a reason in our words."""
    cause = trouble.__cause__ or trouble
    return name_of(cause) if isinstance(cause, RedisError) and is_refusal(cause) else reason_of(trouble)


class Backoff:
    """Growing pauses while a server is unavailable. Each kind of error is logged once, and the end."""

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
    unattended must survive its errors; without `survives_errors` such an exception ends the loop. `wait` returns after
    some seconds at the latest, because a loop that `is_watched` and makes no steps counts as dead.
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
