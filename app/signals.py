"""SIGTERM and SIGINT, heard by a thread: what a handler may not do itself."""

from __future__ import annotations

import atexit
import signal
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def heard_by_a_thread(act: Callable[[], object]) -> Callable[..., None]:
    """A handler of signals; at the first one a thread acts, another one changes nothing.

    A handler interrupts the main thread anywhere, and would wait for ever for a lock that this thread holds: that of
    an event, in `wait` or in the handler of the signal before. `SimpleQueue.put` is made for handlers.
    """
    heard: SimpleQueue[None] = SimpleQueue()

    def listen() -> None:
        heard.get()
        act()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    atexit.register(_ignore_signals)
    return lambda *_: heard.put(None)


def _ignore_signals() -> None:
    """An interpreter that ends gives handlers up, and a late signal would kill a process that has done its work."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
