"""Fencing: tasks of a worker without a valid run lease do not begin and do not go on."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.clock import now
from tests.acceptance.conditions import wait_until
from tests.integration.pool.results import PATIENCE_S, Results, claim, error
from workers.pool.protocol import Failure
from workers.pool.slot import ProcessSlot

if TYPE_CHECKING:
    from app.task import Claim
    from workers.pool.pool import Pool


def test_children_exit_when_the_run_lease_of_a_frozen_worker_expires(
    pool: Pool, results: Results, tmp_path: Path
) -> None:
    task = running(pool, tmp_path / "witness", seconds=60)
    pool.run_lease.renew(now())  # it expires now
    assert error(results.wait_for(1)[task.id]) == "crashed"


def test_a_child_that_was_frozen_until_the_run_lease_expired_exits_before_it_goes_on(
    pool: Pool, results: Results, tmp_path: Path
) -> None:
    file = tmp_path / "witness"
    task = running(pool, file, seconds=1)
    slot = pool.slot_of(task.id)
    assert isinstance(slot, ProcessSlot)
    child = slot.pid
    assert child
    os.kill(child, signal.SIGSTOP)
    pool.run_lease.renew(now())  # it expires now
    sleep_past = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > sleep_past, PATIENCE_S, "its sleep would be over")
    os.kill(child, signal.SIGCONT)
    assert error(results.wait_for(1)[task.id]) == "crashed"
    assert "ended" not in file.read_text()


@pytest.mark.parametrize(("task_type", "payload"), [("noop", {}), ("thread-nap", {"seconds": 0.01})])
def test_claims_from_before_a_fence_do_not_begin(
    pool: Pool, results: Results, task_type: str, payload: dict[str, Any]
) -> None:
    """Another worker may run them by now: a worker frozen after its claim must not begin them."""
    old = [claim(task_type, **payload) for _ in range(3)]
    pool.fence(Failure("worker_lost", "silent"))
    pool.run(old)
    assert {each.id for each in results.wait_for_unused(3)} == {each.id for each in old}
    new = claim(task_type, **payload)
    pool.run([new])
    assert results.wait_for(1).keys() == {new.id}


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
    """Run a task and wait until it has begun."""
    task = claim("witness", file=str(file), seconds=seconds, timeout_s=60)
    pool.run([task])
    wait_until(file.exists, PATIENCE_S, "it runs")
    return task
