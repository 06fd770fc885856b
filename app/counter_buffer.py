"""Buffered counters, flushed to Postgres every second."""

from __future__ import annotations

from collections import Counter as Sums
from typing import TYPE_CHECKING

import structlog

from app.batching import Batcher
from app.errors import StatementRefused
from app.ledger import counters
from app.ledger.counters import Counter

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = structlog.get_logger()

FLUSH_INTERVAL_S = 1.0


class CounterBuffer(Batcher[tuple[Counter, int]]):
    """Counts of this process that are not in Postgres yet.

    They are kept while Postgres is unavailable. A crash loses those of the last second; a lost answer of Postgres may
    count them twice.
    """

    name = "counters"
    exit_timeout_s = 1.0

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def count(self, name: Counter, number: int = 1) -> None:
        """Increment a counter; returns at once."""
        if number > 0:
            self.add([(name, number)])

    def pending(self) -> dict[Counter, int]:
        """Return what was counted and is not being flushed."""
        return dict(self.merge(self.waiting()))

    def gather_s(self) -> float:
        """Flush once an interval."""
        return FLUSH_INTERVAL_S

    def merge(self, items: list[tuple[Counter, int]]) -> list[tuple[Counter, int]]:
        """Return one increment for each counter."""
        sums: Sums[Counter] = Sums()
        for name, number in items:
            sums[name] += number
        return list(sums.items())

    def flush(self, items: list[tuple[Counter, int]]) -> None:
        """Add to the totals. Increments that Postgres refuses are dropped, as it would refuse them again."""
        try:
            counters.add(self._engine, dict(items))
        except StatementRefused:
            log.exception("counts_lost", counted=dict(items))
