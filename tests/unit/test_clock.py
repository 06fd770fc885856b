"""The offset of Postgres' clock: measured at intervals, and kept while Postgres is unavailable."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.clock import CHECK_INTERVAL_S, MEASURE_INTERVAL_S, RETRY_S, PostgresClock, measure_offset_s, now
from app.errors import LedgerUnavailable

AHEAD_S = 100.0


class Postgres:
    """Answers with a clock that is `ahead_s` ahead of `own`. Each answer takes the next of `takes_s`."""

    def __init__(self, *takes_s: float, ahead_s: float = AHEAD_S) -> None:
        self.at = 1000.0
        self.takes_s = list(takes_s)
        self.ahead_s = ahead_s
        self.answers = 0

    def own(self) -> float:
        return self.at

    def ask(self) -> datetime:
        self.answers += 1
        if not self.takes_s:
            raise LedgerUnavailable
        takes_s = self.takes_s.pop(0)
        self.at += takes_s
        # A slow answer spends its time on the way back, so that its offset is wrong.
        return datetime.fromtimestamp(self.at - (takes_s / 2 if takes_s < 0.1 else 0) + self.ahead_s, UTC)


def test_the_quickest_of_three_answers_is_used() -> None:
    postgres = Postgres(0.4, 0.01, 0.3)
    assert measure_offset_s(postgres.ask, postgres.own) == pytest.approx(AHEAD_S)
    assert postgres.answers == 3


def test_a_slow_answer_is_the_last_one_requested() -> None:
    postgres = Postgres(0.01, 0.6, 0.01)
    assert measure_offset_s(postgres.ask, postgres.own) == pytest.approx(AHEAD_S)
    assert postgres.answers == 2


def test_the_offset_is_measured_every_ten_seconds_and_after_the_local_clock_was_set_back() -> None:
    postgres = Postgres(*[0.01] * 9)
    clock = PostgresClock(postgres.ask, own=postgres.own)
    clock.refresh()
    assert clock.now() == pytest.approx(postgres.at + AHEAD_S)
    postgres.at += CHECK_INTERVAL_S / 2
    clock.refresh()
    assert postgres.answers == 3
    postgres.at += MEASURE_INTERVAL_S
    clock.refresh()
    assert postgres.answers == 6
    postgres.at -= 3600
    clock.refresh()
    assert postgres.answers == 9


@pytest.mark.parametrize("by_s", [-3600.0, -20.0, -0.02, 0.02, 20.0, 3600.0])
def test_a_clock_of_postgres_that_was_set_is_noticed_within_about_a_second(by_s: float) -> None:
    postgres = Postgres(*[0.01] * 7)
    clock = PostgresClock(postgres.ask, own=postgres.own)
    clock.refresh()
    postgres.ahead_s += by_s
    postgres.at += CHECK_INTERVAL_S + 0.1
    clock.refresh()
    assert clock.now() == pytest.approx(postgres.at + AHEAD_S + by_s)
    assert postgres.answers == 7


def test_one_answer_each_second_is_enough_while_the_clock_is_not_set() -> None:
    postgres = Postgres(*[0.01] * 3, 0.4, 0.01)
    clock = PostgresClock(postgres.ask, own=postgres.own)
    clock.refresh()
    for answers in (4, 5):  # the first one is slow, which explains its difference
        postgres.at += CHECK_INTERVAL_S + 0.1
        clock.refresh()
        assert postgres.answers == answers
    assert clock.now() == pytest.approx(postgres.at + AHEAD_S)


def test_the_last_offset_is_kept_while_postgres_is_unavailable_and_a_retry_follows_soon() -> None:
    postgres = Postgres(*[0.01] * 3)
    clock = PostgresClock(postgres.ask, own=postgres.own)
    clock.refresh()
    postgres.at += MEASURE_INTERVAL_S + 1
    clock.refresh()
    clock.refresh()
    assert postgres.answers == 4
    assert clock.now() == pytest.approx(postgres.at + AHEAD_S)
    postgres.at += 2 * RETRY_S
    clock.refresh()
    assert postgres.answers == 5


def test_before_the_first_measurement_the_clock_of_this_machine_is_used() -> None:
    clock = PostgresClock(Postgres().ask)
    clock.refresh()
    assert clock.now() == pytest.approx(datetime.now(UTC).timestamp(), abs=1)
    assert now() <= now()
