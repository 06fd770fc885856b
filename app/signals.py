"""Signals of this process: callbacks of SIGTERM and SIGINT in a thread, and death with the parent process.

A separate module, so that the main process of the web server imports no other code of ours.
"""

from __future__ import annotations

import atexit
import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue

PR_SET_PDEATHSIG = 1  # of prctl(2)
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


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (Linux). Elsewhere it ends when its pipe closes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
