"""A worker that was silent for too long: nothing it holds begins or goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from app.clock import now
from tests.acceptance.conditions import wait_until
from tests.integration.pool.listening import PATIENCE_S, Heard, claim, error
from workers.pool.protocol import Failure
from workers.pool.slot import ProcessSlot

if TYPE_CHECKING:
    from pathlib import Path

    from app.task import Claim
    from workers.pool.pool import Pool


def test_children_end_themselves_when_the_lease_of_a_frozen_worker_is_over(
    pool: Pool, heard: Heard, tmp_path: Path
) -> None:
    task = running(pool, tmp_path / "witness", seconds=60)
    pool.run_lease.renew(now())  # until now, and no longer
    assert error(heard.wait_for(1)[task.id]) == "crashed"


def test_a_child_that_was_frozen_until_the_lease_was_over_ends_before_it_goes_on(
    pool: Pool, heard: Heard, tmp_path: Path
) -> None:
    file = tmp_path / "witness"
    task = running(pool, file, seconds=1)
    slot = pool.slot_of(task.id)
    assert isinstance(slot, ProcessSlot)
    child = slot.process.pid
    assert child
    os.kill(child, signal.SIGSTOP)
    pool.run_lease.renew(now())  # until now, and no longer
    sleep_past = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > sleep_past, PATIENCE_S, "its sleep would be over")
    os.kill(child, signal.SIGCONT)
    assert error(heard.wait_for(1)[task.id]) == "crashed"
    assert "ended" not in file.read_text()


@pytest.mark.parametrize(("task_type", "payload"), [("noop", {}), ("thread-nap", {"seconds": 0.01})])
def test_what_was_claimed_before_the_worker_fell_silent_does_not_begin(
    pool: Pool, heard: Heard, task_type: str, payload: dict[str, Any]
) -> None:
    """It may be another's by now: a worker that was frozen between its claim and the hand-over must not begin it."""
    old = [claim(task_type, **payload) for _ in range(3)]
    pool.fence(Failure("worker_lost", "silent"))
    pool.run(old)
    assert {each.id for each in heard.wait_for_unused(3)} == {each.id for each in old}
    new = claim(task_type, **payload)
    pool.run([new])
    assert heard.wait_for(1).keys() == {new.id}


def test_a_pool_that_is_not_supervised_is_noticed(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pool.is_supervised(PATIENCE_S)
    hangs, start = threading.Event(), ProcessSlot._start

    def start_with_a_frozen_fork_server(slot: ProcessSlot, *pipes: object) -> None:
        hangs.wait(PATIENCE_S)
        start(slot, *pipes)  # type: ignore[arg-type]

    monkeypatch.setattr(ProcessSlot, "_start", start_with_a_frozen_fork_server)
    pool.prepare()
    assert not pool.is_supervised(0.1)
    hangs.set()
    assert pool.is_supervised(PATIENCE_S)


def running(pool: Pool, file: Path, *, seconds: float) -> Claim:
    """A task that has begun."""
    task = claim("witness", file=str(file), seconds=seconds, timeout_s=60)
    pool.run([task])
    wait_until(file.exists, PATIENCE_S, "it runs")
    return task
