"""Upper bounds for a busy machine.

A bound in seconds says how long something takes where the tests have the machine for themselves. Where other programs
run beside them, everything takes longer, by about how many programs share a processor. `patience` stretches a bound by
that, at the moment when it has passed. So a bound keeps its meaning on a quiet machine, and no test depends on speed.
"""

from __future__ import annotations

import os
import time

SPIN_S = 0.02
MAX_SLOWDOWN = 30.0


def patience(seconds: float) -> float:
    """Return the bound for this machine as it is now; never less than `seconds`."""
    return seconds * min(MAX_SLOWDOWN, max(1.0, _demand(), _delay()))


def _demand() -> float:
    """Return how many programs wanted each processor in the last minutes."""
    return max(os.getloadavg()[:2]) / (os.cpu_count() or 1)


def _delay() -> float:
    """Return how much longer than alone a computation takes."""
    began, used = time.monotonic(), time.thread_time()
    while time.thread_time() - used < SPIN_S:
        pass
    return (time.monotonic() - began) / SPIN_S
