"""Step, wait, repeat, stop on signal: the one loop of every process here."""

from __future__ import annotations

import random
import signal
import threading
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from app.errors import LedgerAway
from app.signals import STOP_SIGNALS, heard_by_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

LONGEST_BACKOFF_S = 2.0
SHORTEST_BACKOFF_S = 0.1


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; a second signal changes nothing."""
    stop = threading.Event()
    handler = heard_by_a_thread(stop.set)
    for each in STOP_SIGNALS:
        signal.signal(each, handler)
    return stop


class Backoff:
    """Longer and longer pauses while a server is away; one log line when it leaves, one when it is back."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pause_s = 0.0

    def failed(self, trouble: Exception) -> float:
        """How long to wait now, in seconds."""
        if not self._pause_s:
            log.warning("server_away", loop=self._name, trouble=repr(trouble.__cause__ or trouble)[:300])
        self._pause_s = min(LONGEST_BACKOFF_S, max(SHORTEST_BACKOFF_S, self._pause_s * 2))
        return self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not a secret

    def succeeded(self) -> None:
        """Begin anew."""
        if self._pause_s:
            log.info("server_back", loop=self._name)
            self._pause_s = 0.0


def repeat(step: Callable[[], bool], *, wait: Callable[[], object], stop: threading.Event, name: str) -> None:
    """Run `step` until `stop` is set. It says whether there is more to do; if not, `wait` lets time pass.

    A server that is away makes the loop back off; any other exception is logged and backed off from too:
    a process that runs by itself survives its errors.
    """
    backoff = Backoff(name)
    while not stop.is_set():
        try:
            if not step():
                wait()
        except (LedgerAway, RedisError) as away:
            stop.wait(backoff.failed(away))
        except Exception as trouble:
            log.exception("step_failed", loop=name)
            stop.wait(backoff.failed(trouble))
        else:
            backoff.succeeded()
