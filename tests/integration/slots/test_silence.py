"""A worker that was silent for too long: nothing it holds begins or goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.conditions import wait_until
from tests.integration.slots.listening import PATIENCE_S, Heard, claim, error
from workers.slots.permit import now as permit_clock
from workers.slots.slot import ProcessSlot

if TYPE_CHECKING:
    from pathlib import Path

    from app.task import Claim
    from workers.slots.slots import Slots


def test_children_end_themselves_when_the_lease_of_a_frozen_worker_is_over(
    slots: Slots, heard: Heard, tmp_path: Path
) -> None:
    task = running(slots, tmp_path / "witness", seconds=60)
    slots.permit.renew(permit_clock())  # until now, and no longer
    assert error(heard.wait_for(1)[task.id]) == "crashed"


def test_a_child_that_was_frozen_until_the_lease_was_over_ends_before_it_goes_on(
    slots: Slots, heard: Heard, tmp_path: Path
) -> None:
    file = tmp_path / "witness"
    task = running(slots, file, seconds=1)
    (child,) = [each.process.pid for each in slots._busy if isinstance(each, ProcessSlot)]
    assert child
    os.kill(child, signal.SIGSTOP)
    slots.permit.renew(permit_clock())  # until now, and no longer
    sleep_past = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > sleep_past, PATIENCE_S, "its sleep would be over")
    os.kill(child, signal.SIGCONT)
    assert error(heard.wait_for(1)[task.id]) == "crashed"
    assert "ended" not in file.read_text()


@pytest.mark.parametrize(("task_type", "payload"), [("noop", {}), ("thread-nap", {"seconds": 0.01})])
def test_what_was_claimed_before_the_worker_fell_silent_does_not_begin(
    slots: Slots, heard: Heard, task_type: str, payload: dict[str, Any]
) -> None:
    """It may be another's by now: a worker that was frozen between its claim and the hand-over must not begin it."""
    old = [claim(task_type, **payload) for _ in range(3)]
    slots.fence(("worker_lost", "silent"))
    slots.run(old)
    assert {each.id for each in heard.wait_for_unused(3)} == {each.id for each in old}
    new = claim(task_type, **payload)
    slots.run([new])
    assert heard.wait_for(1).keys() == {new.id}


def test_a_watch_that_stands_still_is_noticed(slots: Slots) -> None:
    assert slots.are_watched(PATIENCE_S)
    hangs = threading.Event()
    slots._ask(lambda: hangs.wait(PATIENCE_S))  # as a fork server that was frozen makes it
    assert not slots.are_watched(0.1)
    hangs.set()
    assert slots.are_watched(PATIENCE_S)


def running(slots: Slots, file: Path, *, seconds: float) -> Claim:
    """A task that has begun."""
    task = claim("witness", file=str(file), seconds=seconds, timeout_s=60)
    slots.run([task])
    wait_until(file.exists, PATIENCE_S, "it runs")
    return task
