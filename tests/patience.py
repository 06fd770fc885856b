"""Upper bounds for a busy machine.

A bound in seconds says how long something takes on a machine that runs nothing but the tests. If other programs run,
everything takes longer, by a factor of about how many programs share a processor. `patience` multiplies a bound by this
factor when the bound has passed. So a bound keeps its meaning on an idle machine, and no test depends on speed.
"""

from __future__ import annotations

import os
import time

SPIN_S = 0.02
MAX_SLOWDOWN = 30.0


def patience(seconds: float) -> float:
    """Return the bound for the present load of this machine; never less than `seconds`."""
    return seconds * min(MAX_SLOWDOWN, max(1.0, _demand(), _delay()))


def _demand() -> float:
    """Return how many programs wanted each processor in the last minutes."""
    return max(os.getloadavg()[:2]) / (os.cpu_count() or 1)


def _delay() -> float:
    """Return by what factor a computation takes longer than on an idle machine."""
    began, used = time.monotonic(), time.thread_time()
    while time.thread_time() - used < SPIN_S:
        pass
    return (time.monotonic() - began) / SPIN_S
