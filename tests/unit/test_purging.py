"""The purging thread: bounded, with pauses, and not ended by an unavailable Postgres."""

from __future__ import annotations

from app.errors import LedgerUnavailable
from workers.chores import REST, Purging

FULL = 10


class Table:
    """A table with `rows` to remove; each batch takes `batch_s` of a clock that nothing else moves."""

    def __init__(self, rows: int, *, batch_s: float = 0.0) -> None:
        self.rows, self.batch_s, self.now, self.batches = rows, batch_s, 0.0, 0
        self.is_available = True

    def purge(self) -> int:
        self.batches += 1
        if not self.is_available:
            self.is_available = True
            raise LedgerUnavailable
        self.now += self.batch_s
        removed = min(FULL, self.rows)
        self.rows -= removed
        return removed

    def purging(self, *, lasts_s: float = 1.0) -> Purging:
        return Purging(self.purge, full=FULL, lasts_s=lasts_s, clock=lambda: self.now)


def test_batches_are_removed_until_one_is_not_full() -> None:
    table = Table(35)
    assert table.purging().run() == 35
    assert table.batches == 4


def test_an_empty_table_is_queried_once() -> None:
    table = Table(0)
    assert table.purging().run() == 0
    assert table.batches == 1


def test_purging_ends_when_its_time_is_over() -> None:
    table = Table(1000, batch_s=0.01)
    assert table.purging(lasts_s=0.045).run() == 50


def test_the_pause_is_proportional_to_the_duration_of_a_batch() -> None:
    table = Table(1000, batch_s=0.25)
    purging = table.purging()
    assert purging.step() is False
    assert purging.rest_s == REST * 0.25


def test_purging_goes_on_when_postgres_is_available_again() -> None:
    table = Table(15)
    table.is_available = False
    assert table.purging().run() == 15
    assert table.batches == 3
