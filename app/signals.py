"""Run the callback of SIGTERM and SIGINT in a thread, because a signal handler must not take locks.

A separate module, so that the main process of the web server imports no other code of ours.
"""

from __future__ import annotations

import atexit
import signal
import threading
from collections.abc import Callable
from queue import SimpleQueue

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_in_thread(act: Callable[[], object]) -> Callable[..., None]:
    """Return a signal handler. The first signal makes a thread call `act`; later ones change nothing.

    A signal handler interrupts the main thread at any point. If it took a lock that the interrupted code holds, for
    example that of an event in `wait`, it would deadlock. `SimpleQueue.put` is reentrant, so a handler may call
    it.
    """
    received: SimpleQueue[None] = SimpleQueue()

    def listen() -> None:
        received.get()
        act()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    atexit.register(_ignore_signals)
    return lambda *_: received.put(None)


def _ignore_signals() -> None:
    """Ignore late signals. At exit, Python restores the default handlers, which would kill the process."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
