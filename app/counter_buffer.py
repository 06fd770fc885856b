"""Buffered counters, flushed to Postgres every second."""

from __future__ import annotations

from collections import Counter as Sums
from typing import TYPE_CHECKING

import structlog

from app.batching import Batcher
from app.errors import StatementRejected
from app.ledger import counters
from app.ledger.counters import Counter

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = structlog.get_logger()

FLUSH_INTERVAL_S = 1.0


class CounterBuffer(Batcher[tuple[Counter, int]]):
    """Counter increments of this process that are not in Postgres yet.

    They are kept while Postgres is unavailable. A crash loses those of the last second. If an answer of Postgres is
    lost, its increments may be counted twice.
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
        """Return the increments that are not in a batch, by counter."""
        return dict(self.merge(self.waiting()))

    def gather_s(self) -> float:
        """Flush once per FLUSH_INTERVAL_S."""
        return FLUSH_INTERVAL_S

    def merge(self, items: list[tuple[Counter, int]]) -> list[tuple[Counter, int]]:
        """Sum the increments of each counter."""
        sums: Sums[Counter] = Sums()
        for name, number in items:
            sums[name] += number
        return list(sums.items())

    def flush(self, items: list[tuple[Counter, int]]) -> None:
        """Add to the totals. Drop increments that Postgres refuses, because it would refuse them again."""
        try:
            counters.add(self._engine, dict(items))
        except StatementRejected:
            log.exception("counts_lost", counted=dict(items))
