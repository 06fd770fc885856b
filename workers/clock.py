"""The time by Postgres' clock, which alone decides what is due."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.errors import LedgerAway
from app.ledger import repairs
from workers.slots import permit

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

MEASURE_EVERY_S = 10.0
AGAIN_AFTER_S = 1.0
ANSWERS = 3
SLOW_S = 0.5


class PostgresClock:
    """A clock that nobody sets, and how far Postgres' is from it: measured now and then, kept while Postgres is away.

    Until it is first measured the offset is that of this machine's own clock.
    """

    def __init__(self, engine: Engine, *, own: Callable[[], float] | None = None) -> None:
        """`own` stands in for both clocks of this machine."""
        self._engine = engine
        self._own = own or permit.now
        self._offset_s = 0.0 if own else time.time() - permit.now()
        self._measure_at = float("-inf")

    def now(self) -> float:
        """Seconds since 1970, by Postgres."""
        return self._own() + self._offset_s

    def keep_right(self) -> None:
        """Measure, if the last time is long ago.

        Of several answers the quickest is believed, as NTP does: the first one may have had to connect.
        """
        if 0 <= self._measure_at - self._own() <= MEASURE_EVERY_S:
            return
        answers: list[tuple[float, float]] = []
        try:
            while len(answers) < ANSWERS and (not answers or answers[-1][0] < SLOW_S):
                answers.append(self._ask())
            self._offset_s = min(answers)[1]
            self._measure_at = self._own() + MEASURE_EVERY_S
        except LedgerAway:
            self._measure_at = self._own() + AGAIN_AFTER_S

    def _ask(self) -> tuple[float, float]:
        """How long the answer took, and the difference that it tells."""
        asked_at = self._own()
        theirs = repairs.clock(self._engine).timestamp()
        answered_at = self._own()
        return answered_at - asked_at, theirs - (asked_at + answered_at) / 2
