"""The loop of every actor."""

from __future__ import annotations

import threading

import pytest
from redis.exceptions import ConnectionError as BrokerUnavailable

from app.errors import LedgerUnavailable
from app.loop import MAX_BACKOFF_S, Backoff, repeat


class Steps:
    """A step that follows a script, then stops the loop."""

    def __init__(self, *script: bool | Exception) -> None:
        self.script = list(script)
        self.stop = threading.Event()
        self.waits = 0

    def step(self) -> bool:
        answer = self.script.pop(0)
        if not self.script:
            self.stop.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def wait(self) -> None:
        self.waits += 1

    def run(self) -> None:
        repeat(self.step, wait=self.wait, stop=self.stop, name="test")


def test_a_loop_waits_only_when_its_step_has_no_more_to_do() -> None:
    steps = Steps(True, True, False, True)
    steps.run()
    assert steps.waits == 1


def test_a_loop_whose_stop_is_set_runs_no_step() -> None:
    steps = Steps(True)
    steps.stop.set()
    steps.run()
    assert steps.script == [True]


def test_a_loop_survives_every_error() -> None:
    steps = Steps(LedgerUnavailable(), BrokerUnavailable(), RuntimeError("bug"), False)
    steps.run()
    assert steps.waits == 1


def test_pauses_grow_up_to_a_limit_and_start_over_after_a_success() -> None:
    backoff = Backoff("test")
    pauses = [backoff.failed(LedgerUnavailable()) for _ in range(20)]
    assert max(pauses) <= MAX_BACKOFF_S
    assert max(pauses[:2]) < min(pauses[-5:])
    backoff.succeeded()
    assert backoff.failed(LedgerUnavailable()) <= 0.1


def test_a_loop_may_have_shorter_pauses() -> None:
    backoff = Backoff("test", max_s=0.25)
    assert max(backoff.failed(LedgerUnavailable()) for _ in range(20)) <= 0.25


def test_a_loop_that_must_not_survive_errors_still_survives_an_unavailable_server() -> None:
    steps = Steps(LedgerUnavailable(), BrokerUnavailable(), RuntimeError("bug"), False)
    with pytest.raises(RuntimeError):
        repeat(steps.step, wait=steps.wait, stop=steps.stop, name="test", survives_errors=False)
    assert steps.script == [False]
