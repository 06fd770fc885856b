"""The window: how far ahead ids are kept in Redis. Postgres alone knows what is due later."""

from __future__ import annotations

FEED_EVERY_S = 30.0
ANNOUNCE_MARGIN_S = 90.0
"""What is due so long after the window is not announced: it is committed long before a round of feeding comes to it.

More than a commit takes, and more than clocks differ.
"""


def feed_every_s(window_s: float) -> float:
    """How often the sweeper looks what has come within a window, before any of it is due."""
    return min(FEED_EVERY_S, window_s / 2)
