"""A cancel request from the ledger to the slot, with all real parts of a worker except the receiver."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from app.ledger import tasks
from app.task import TaskState
from tests.acceptance.conditions import wait_until
from tests.integration.pool.results import PATIENCE_S
from tests.making import ids, make
from workers.pool.protocol import Failure
from workers.worker.__main__ import Parts, assemble

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.operations import Operations
    from app.task import Task


@pytest.fixture
def worker(settings: Settings, redis: Redis) -> Iterator[Parts]:
    """The parts of a worker. The test calls the steps of its heartbeat."""
    assert redis
    os.environ["TASK_MODULES"] = settings.task_modules
    parts = assemble(settings, worker_id="w")
    yield parts
    parts.pool.kill_all(Failure("worker_lost", "the test is over"))
    parts.pool.close()
    assert parts.finisher.close(PATIENCE_S)


@pytest.mark.parametrize("task_type", ["nap", "thread-nap"])
def test_a_running_task_is_cancelled_with_the_next_heartbeat_and_another_goes_on(
    worker: Parts, engine: Engine, operations: Operations, task_type: str
) -> None:
    victim, neighbour = made = make(operations, 2, task_type=task_type, max_attempts=3, seconds=4)
    begin(worker, task_type, made)
    assert operations.cancel(victim.id).state is TaskState.RUNNING
    worker.heartbeat.step()
    wait_until(lambda: tasks.get(engine, victim.id).is_final, PATIENCE_S, "it is over")
    now = tasks.get(engine, victim.id)
    assert (now.state, now.attempt, now.error, now.result) == (TaskState.CANCELLED, 1, None, None)
    assert tasks.get(engine, neighbour.id).state is TaskState.RUNNING
    assert worker.pool.slot_of(str(neighbour.id))
    worker.heartbeat.step()
    assert worker.pool.is_supervised(PATIENCE_S)
    assert tasks.get(engine, victim.id) == now


def begin(worker: Parts, task_type: str, made: list[Task]) -> None:
    """Deliver the tasks, claim them, and wait until they run."""
    worker.heartbeat.step()
    worker.inbox.put(task_type, ids(made))
    while worker.claimer.step(0.0):
        continue

    def all_run() -> bool:
        slots = [worker.pool.slot_of(each) for each in ids(made)]
        return all(slot and slot.running() for slot in slots)

    wait_until(all_run, PATIENCE_S, "they run")
