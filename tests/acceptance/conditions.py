"""Waits for conditions: no test sleeps for a time and hopes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")

LOOK_EVERY_S = 0.05


def wait_until(condition: Callable[[], Found], seconds: float, what: str) -> Found:
    """The first truthy answer of `condition`; an AssertionError that says `what` and the last answer, if none comes."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}; last seen: {found!r}")
        time.sleep(LOOK_EVERY_S)
    return found


def sleep_until(instant: float) -> None:
    """Return at `instant` (seconds since 1970), at most a few hundred microseconds late."""
    while (left := instant - time.time()) > 0:
        time.sleep(max(0, left - 0.001) if left > 0.002 else 0)
