"""The time by Postgres' clock, which alone decides what is due."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.errors import LedgerAway
from app.ledger import repairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

MEASURE_EVERY_S = 10.0
ANSWERS = 3


class PostgresClock:
    """Our own clock, and how far Postgres' is from it: measured now and then, kept while Postgres is away."""

    def __init__(self, engine: Engine, *, own: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._own = own
        self._offset_s = 0.0
        self._measured_at = float("-inf")

    def now(self) -> float:
        """Seconds since 1970, by Postgres."""
        return self._own() + self._offset_s

    def keep_right(self) -> None:
        """Measure, if the last time is long ago; a clock may have been set back.

        Of several answers the quickest is believed, as NTP does: the first one may have had to connect.
        """
        if abs(self._own() - self._measured_at) < MEASURE_EVERY_S:
            return
        self._measured_at = self._own()
        try:
            _, self._offset_s = min(self._ask() for _ in range(ANSWERS))
        except LedgerAway:
            return

    def _ask(self) -> tuple[float, float]:
        """How long the answer took, and the difference that it tells."""
        asked_at = self._own()
        theirs = repairs.clock(self._engine).timestamp()
        answered_at = self._own()
        return answered_at - asked_at, theirs - (asked_at + answered_at) / 2
