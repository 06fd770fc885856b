"""When a failed attempt is tried again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from app.outcome import cancelled, failed, succeeded
from app.retry import CAP_S, JITTER, retry_in_s
from app.task import Attempt, TaskError, TaskState


@pytest.mark.parametrize(("attempt", "pause_s"), [(1, 1), (2, 2), (3, 4), (12, 2048), (13, CAP_S), (99, CAP_S)])
def test_the_pause_doubles_up_to_an_hour_and_is_lengthened_by_a_tenth_at_most(attempt: int, pause_s: float) -> None:
    pauses = [retry_in_s(attempt, 100) or 0 for _ in range(200)]
    assert all(pause_s <= each <= pause_s * (1 + JITTER) for each in pauses)
    assert len(set(pauses)) > 1, "otherwise tasks that failed together would be retried together"


def test_the_last_attempt_is_not_tried_again() -> None:
    assert [retry_in_s(each, 3) is None for each in (1, 2, 3, 4)] == [False, False, True, True]


def test_later_attempts_never_wait_for_less() -> None:
    pauses = [retry_in_s(each, 100) or 0 for each in range(1, 100)]
    assert all(later > earlier / (1 + JITTER) for earlier, later in pairwise(pauses))


def test_a_failure_with_attempts_left_is_scheduled_again_and_the_last_one_is_final() -> None:
    first, last = (Attempt(id="an-id", token="a-token", attempt=each, max_attempts=2) for each in (1, 2))
    again, over = failed(first, "timeout", "late"), failed(last, "timeout", "late")
    assert (again.state, again.retry_in_s is None, again.error) == (
        TaskState.SCHEDULED,
        False,
        TaskError("timeout", "late", 1),
    )
    assert (over.state, over.retry_in_s, over.error) == (TaskState.FAILED, None, TaskError("timeout", "late", 2))


def test_a_success_and_a_cancellation_are_final_even_with_attempts_left() -> None:
    attempt = Attempt(id="an-id", token="a-token", attempt=1, max_attempts=2)
    done, stopped = succeeded("an-id", "a-token", "1"), cancelled(attempt)
    assert (done.state, done.retry_in_s, done.result) == (TaskState.SUCCEEDED, None, "1")
    assert (stopped.state, stopped.retry_in_s, stopped.error) == (TaskState.CANCELLED, None, None)
