"""Buffered counters, flushed to Postgres every second."""

from __future__ import annotations

from collections import Counter as Sums
from collections.abc import Iterable
from typing import TYPE_CHECKING

from app.batching import Batcher
from app.errors import StatementRejected
from app.ledger import counters
from app.ledger.counters import Counter
from app.logs import get_logger

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = get_logger()

FLUSH_INTERVAL_S = 1.0


class CounterBuffer(Batcher[tuple[Counter, int]]):
    """Counter increments of this process that are not in Postgres yet.

    They are kept while Postgres is unavailable. A crash loses those of the last second. If an answer of Postgres is
    lost, the increments that it confirms may be counted twice.
    """

    name = "counters"
    exit_timeout_s = 1.0
    is_watched = False  # tasks run even if the counters are not written

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def count(self, name: Counter, number: int = 1) -> None:
        """Increment a counter; returns at once."""
        if number > 0:
            self.add([(name, number)])

    def pending(self) -> dict[Counter, int]:
        """Return the increments that are not in a batch, by counter."""
        return _sums(self.waiting())

    def gather_s(self) -> float:
        """Flush once per FLUSH_INTERVAL_S."""
        return FLUSH_INTERVAL_S

    def flush(self, items: list[tuple[Counter, int]]) -> None:
        """Add to the totals. Drop increments that Postgres refuses, because it would refuse them again."""
        sums = _sums(items)
        items[:] = sums.items()
        try:
            counters.add(self._engine, sums)
        except StatementRejected:
            log.exception("counts_lost", counted=sums)


def _sums(items: Iterable[tuple[Counter, int]]) -> dict[Counter, int]:
    sums: Sums[Counter] = Sums()
    for name, number in items:
        sums[name] += number
    return dict(sums)
