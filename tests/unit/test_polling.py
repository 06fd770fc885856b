"""Long polling with backoff, by a clock that the test sets."""

from __future__ import annotations

from app.api import waiting
from app.api.waiting import MAX_PAUSE_S, poll_until


class Clock:
    """A clock that only pauses move."""

    def __init__(self, *, stop_after: int = 1_000_000) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.stop_after = stop_after

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.now += seconds
        return len(self.pauses) >= self.stop_after


def test_a_result_that_is_there_at_once_needs_no_wait() -> None:
    clock = Clock()
    assert poll_until(lambda: 1, bool, wait_s=30, pause=clock.pause, clock=clock) == 1
    assert clock.pauses == []


def test_polling_ends_exactly_when_the_wait_is_over() -> None:
    clock = Clock()
    assert poll_until(lambda: 0, bool, wait_s=3, pause=clock.pause, clock=clock) == 0
    assert clock.now == 3


def test_the_pauses_of_polling_grow_up_to_a_limit() -> None:
    clock = Clock()
    poll_until(lambda: 0, bool, wait_s=30, pause=clock.pause, clock=clock)
    assert clock.pauses[:3] == sorted(clock.pauses[:3])
    assert max(clock.pauses) == MAX_PAUSE_S


def test_polling_ends_with_the_first_result() -> None:
    clock = Clock()
    assert poll_until(lambda: clock.now > 1, bool, wait_s=30, pause=clock.pause, clock=clock)
    assert clock.now < 2


def test_polling_ends_when_the_process_stops() -> None:
    clock = Clock(stop_after=2)
    assert poll_until(lambda: 0, bool, wait_s=30, pause=clock.pause, clock=clock) == 0
    assert len(clock.pauses) == 2


def test_when_too_many_requests_wait_the_next_one_is_answered_at_once() -> None:
    clock = Clock()
    acquired = 0
    while waiting.POLLERS.acquire(blocking=False):
        acquired += 1
    try:
        poll_until(lambda: 0, bool, wait_s=30, pause=clock.pause, clock=clock)
    finally:
        waiting.POLLERS.release(acquired)
    assert clock.pauses == []
