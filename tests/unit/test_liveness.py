"""Liveness: loops record their steps, and a process ends if a loop makes none."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from redis.exceptions import ConnectionError as BrokerUnavailable

from app import liveness
from app.errors import LedgerUnavailable
from app.liveness import EXIT_SOFTWARE, LoopState, Watchdog
from app.loop import repeat
from tests.acceptance.processes import ROOT

PATIENCE_S = 20.0
LIMIT_S = 30.0


class Watched:
    """A watchdog, a clock that a test sets, and what the watchdog says when it ends the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 1000.0
        monkeypatch.setattr("app.liveness.time.monotonic", lambda: self.at)
        self.state = LoopState("claimer")
        monkeypatch.setattr(liveness, "_loops", [self.state])
        self.said: list[str] = []
        self.dog = Watchdog(self.said.append, limit_s=LIMIT_S, clock=lambda: self.at)

    def watch(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.at += 1
            self.dog.step()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_a_loop_that_is_stuck_ends_its_process(watched: Watched) -> None:
    watched.watch(LIMIT_S - 1)
    assert watched.said == []
    watched.watch(3)
    assert "claimer has made no step for" in watched.said[0]


def test_a_loop_that_fails_at_every_step_ends_its_process(watched: Watched) -> None:
    for _ in range(40):
        watched.state.step_failed(OSError("no space"))
        watched.watch(1)
    assert "claimer has failed for 31 s (OSError)" in watched.said[0]


def test_a_loop_whose_server_is_unavailable_is_in_trouble_but_does_not_end_its_process(watched: Watched) -> None:
    for _ in range(100):
        watched.state.step_done(unavailable=LedgerUnavailable())
        watched.watch(1)
    assert watched.said == []
    assert liveness.standstill() is None
    assert liveness.trouble() == "claimer has failed for 100 s (LedgerUnavailable)"
    watched.state.step_done()
    assert liveness.trouble() is None


def test_a_process_that_was_frozen_is_not_ended_because_of_that(watched: Watched) -> None:
    watched.at += 3600
    watched.dog.step()
    watched.watch(LIMIT_S - 3)
    assert watched.said == []


def test_a_loop_that_was_stopped_is_not_watched_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[LoopState] = []
    monkeypatch.setattr(liveness, "_loops", loops)
    stop, seen = threading.Event(), []

    def step() -> bool:
        seen.append([each.name for each in loops])
        stop.set()
        return True

    repeat(step, wait=lambda: None, stop=stop, name="once")
    assert (seen, loops) == ([["once"]], [])


def test_steps_that_fail_do_not_count_and_those_without_a_server_do(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[LoopState] = []
    monkeypatch.setattr(liveness, "_loops", loops)
    passes = []
    script: list[Exception | None] = [None, RuntimeError(), BrokerUnavailable(), LedgerUnavailable(), OSError(), None]
    stop = threading.Event()

    def step() -> bool:
        passes.append(loops[0].passes)
        if len(script) == 1:
            stop.set()
        if error := script.pop(0):
            raise error
        return True

    repeat(step, wait=lambda: None, stop=stop, name="loop", max_backoff_s=0.001)
    assert passes == [0, 1, 1, 2, 3, 3]


def test_a_process_ends_although_its_log_blocks() -> None:
    """For example a full pipe, whose reader is stopped."""
    code = (
        "import os, sys, structlog\n"
        "from app.liveness import end_process\n"
        "os.set_blocking(2, True)\n"
        "structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))\n"
        "print(flush=True); sys.stdin.readline(); end_process('x' * 300_000)"
    )
    reader, writer = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writer
    ) as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        process.stdin.write(b"\n")
        process.stdin.flush()
        try:
            assert process.wait(PATIENCE_S) == EXIT_SOFTWARE
        finally:
            process.kill()
    os.close(reader)
    os.close(writer)
