"""Requests that wait for something to happen in the ledger: they look again, in growing steps."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")

FIRST_PAUSE_S, LONGEST_PAUSE_S, GROWTH = 0.02, 0.5, 1.5
# Sixteen threads serve the requests of a process (`front.py`). When half of them wait, the next
# request is answered at once, as if it had not asked to wait.
MOST_WAITING = threading.BoundedSemaphore(8)


def look_until(
    look: Callable[[], Found],
    enough: Callable[[Found], bool],
    *,
    wait_s: float,
    pause: Callable[[float], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Look until what is found is enough or `wait_s` is over; what was found last.

    `pause` waits so many seconds and tells whether to give up: `Event.wait` of the event that ends this process.
    """
    found = look()
    if enough(found) or wait_s <= 0 or not MOST_WAITING.acquire(blocking=False):
        return found
    try:
        deadline, step = clock() + wait_s, FIRST_PAUSE_S
        while not enough(found) and (left := deadline - clock()) > 0 and not pause(min(step, left)):
            found, step = look(), min(step * GROWTH, LONGEST_PAUSE_S)
        return found
    finally:
        MOST_WAITING.release()
