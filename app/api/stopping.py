"""Notices that this process was asked to end, so that requests which wait can answer before it does."""

from __future__ import annotations

import os
import select
import signal
import threading
from functools import cache

ENDINGS = {signal.SIGTERM, signal.SIGINT}


class Stopping:
    """Listens to signals beside whatever handlers there are.

    The web server installs its own after the application is made, and its worker threads may not install any. Python
    also writes the number of every signal it handles to a wake-up pipe, whoever handles it: that is what is read.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._ear, self._mouth = os.pipe()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._mouth, False)
        signal.set_wakeup_fd(self._mouth, warn_on_full_buffer=False)

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the process was asked to end; whether it was."""
        heard, _, _ = select.select([self._ear], [], [], 0 if self._asked.is_set() else seconds)
        if heard:
            self._listen()
        return self._asked.is_set()

    def _listen(self) -> None:
        try:
            numbers = os.read(self._ear, 4096)
        except BlockingIOError:  # another waiting request was quicker
            return
        if ENDINGS & set(numbers):
            self._asked.set()


@cache
def _of_this_process() -> Stopping:
    return Stopping()


def notice_the_end() -> Stopping | threading.Event:
    """One for the process, never closed; where signals cannot be listened to, an event that nobody sets."""
    if threading.current_thread() is not threading.main_thread():
        return threading.Event()
    return _of_this_process()
