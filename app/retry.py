"""Retry policy: when a failed attempt is tried again. The rule is the same for every kind of failure."""

from __future__ import annotations

import random

BASE_S = 1.0
FACTOR = 2.0
CAP_S = 3600.0
JITTER = 0.1


def retry_in_s(attempt: int, max_attempts: int) -> float | None:
    """Return the seconds from the failure of this attempt to the next one; None if no attempt is left.

    Exponential back-off: 1, 2, 4 ... 3,600 seconds, lengthened by up to a tenth at random, so that tasks that failed
    together are not tried again together.
    """
    if attempt >= max_attempts:
        return None
    pause_s = min(CAP_S, BASE_S * FACTOR ** (attempt - 1))
    return pause_s * (1 + JITTER * random.random())  # noqa: S311  # spreads load, guards nothing
