"""Wait for conditions instead of sleeping for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.patience import patience

Value = TypeVar("Value")

POLL_INTERVAL_S = 0.05


def wait_until(condition: Callable[[], Value], seconds: float, what: str) -> Value:
    """Return the first truthy value of `condition`.

    Raises:
        AssertionError: there was none in this time, more on a busy machine; the message has `what` and the last value.
    """
    began = time.monotonic()
    while not (value := condition()):
        waited_s = time.monotonic() - began
        if waited_s > seconds and waited_s > patience(seconds):
            raise AssertionError(f"not within {seconds:g} s: {what}; last value: {value!r}")
        time.sleep(POLL_INTERVAL_S)
    return value


def sleep_until(instant: float) -> None:
    """Sleep until `instant` (seconds since 1970); return at most a few hundred microseconds late."""
    while (left := instant - time.time()) > 0:
        time.sleep(max(0, left - 0.001) if left > 0.002 else 0)
