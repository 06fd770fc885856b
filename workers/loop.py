"""Step, wait, repeat, stop on signal: the one loop of every process here."""

from __future__ import annotations

import atexit
import random
import signal
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

import structlog

from app.errors import LedgerAway
from app.schedule.schedule import ScheduleAway

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

LONGEST_BACKOFF_S = 2.0
SHORTEST_BACKOFF_S = 0.1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; a second signal changes nothing.

    A thread sets it: a handler interrupts the main thread anywhere, and would wait for ever for the event's lock where
    that thread holds it, in `wait` or in the handler of the signal before. `SimpleQueue.put` is made for handlers.
    """
    stop = threading.Event()
    heard: SimpleQueue[int] = SimpleQueue()

    def listen() -> None:
        heard.get()
        stop.set()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    for each in STOP_SIGNALS:
        signal.signal(each, lambda number, _: heard.put(number))
    atexit.register(_ignore_signals)
    return stop


def _ignore_signals() -> None:
    """An interpreter that ends gives handlers up, and a late signal would kill a process that has done its work."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


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
        except (LedgerAway, ScheduleAway) as away:
            stop.wait(backoff.failed(away))
        except Exception as trouble:
            log.exception("step_failed", loop=name)
            stop.wait(backoff.failed(trouble))
        else:
            backoff.succeeded()
