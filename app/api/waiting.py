"""Long polling with backoff."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

FIRST_PAUSE_S, MAX_PAUSE_S, GROWTH = 0.02, 0.5, 1.5
# Sixteen threads serve the requests of a process (`server.py`). While half of them poll, the next request to poll is
# answered at once, as if it had not asked to wait.
POLLERS = threading.BoundedSemaphore(8)


def poll_until(
    look: Callable[[], Found],
    enough: Callable[[Found], bool],
    *,
    wait_s: float,
    pause: Callable[[float], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Call `look` until its result is enough or `wait_s` is over; return the last result.

    `pause` waits for a number of seconds and returns whether to give up: `Event.wait` of the event that ends this
    process.
    """
    found = look()
    if enough(found) or wait_s <= 0 or not POLLERS.acquire(blocking=False):
        return found
    try:
        deadline, step = clock() + wait_s, FIRST_PAUSE_S
        while not enough(found) and (left := deadline - clock()) > 0 and not pause(min(step, left)):
            found, step = look(), min(step * GROWTH, MAX_PAUSE_S)
        return found
    finally:
        POLLERS.release()
