"""The loop of every actor: step, wait, repeat until stopped."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable

from redis.exceptions import RedisError

from app.errors import LedgerUnavailable
from app.logs import get_logger
from app.reasons import reason_of
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


class Backoff:
    """Growing pauses while a server is unavailable, with one log line at the beginning and one at the end."""

    def __init__(self, name: str, *, max_s: float = MAX_BACKOFF_S) -> None:
        self._name = name
        self._max_s = max_s
        self._pause_s = 0.0
        # Its own generator: other code may seed the global one, or check that it is not used, from other threads.
        self._jitter = random.Random()  # noqa: S311  # no secret

    def failed(self, trouble: Exception) -> float:
        """Count a failure; return how long to pause, in seconds."""
        if not self._pause_s:
            log.warning("server_unavailable", loop=self._name, trouble=reason_of(trouble))
        self._pause_s = min(self._max_s, max(MIN_BACKOFF_S, self._pause_s * 2))
        return self._pause_s * self._jitter.uniform(0.5, 1.0)

    def succeeded(self) -> None:
        """Reset the pause."""
        if self._pause_s:
            log.info("server_available", loop=self._name)
            self._pause_s = 0.0


def repeat(
    step: Callable[[], bool], *, wait: Callable[[], object], stop: threading.Event, name: str,
    max_backoff_s: float = MAX_BACKOFF_S, survives_errors: bool = True,
) -> None:  # fmt: skip
    """Call `step` until `stop` is set. After a step that returns False (nothing more to do at once), call `wait`.

    Back off while a server is unavailable. Log any other exception and back off as well, because a process that runs
    unattended must survive its errors; without `survives_errors` such an exception ends the loop.
    """
    backoff = Backoff(name, max_s=max_backoff_s)
    while not stop.is_set():
        try:
            if not step():
                wait()
        except (LedgerUnavailable, RedisError) as unavailable:
            stop.wait(backoff.failed(unavailable))
        except Exception as trouble:
            if not survives_errors:
                raise
            log.exception("step_failed", loop=name)
            stop.wait(backoff.failed(trouble))
        else:
            backoff.succeeded()
