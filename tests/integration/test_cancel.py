"""Cancelling: one conditional statement against the claim, from the ledger to the worker that is told."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from app.errors import TaskNotCancellable, TaskNotFound
from app.ledger import claims, tasks, workers
from app.outcome import cancelled, failed, succeeded
from app.task import TaskState
from tests.making import ids, make
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.operations import Operations
    from app.task import Claim, Task

RACES = 40


def begin(engine: Engine, made: list[Task], worker_id: str = "w") -> list[Claim]:
    types = ["noop", "whoami"]
    return claims.claim(
        engine, ids(made), worker_id=worker_id, types=types, token=claims.new_token(), asked_at=0.0
    ).mine


def test_before_it_began_a_task_is_cancelled_and_never_claimed(
    engine: Engine, operations: Operations, due_set: DueSet
) -> None:
    (task,) = made = make(operations)
    now = operations.cancel(task.id)
    assert (now.state, now.attempt) == (TaskState.CANCELLED, 0)
    assert now.finished_at
    assert due_set.sizes(["noop"]) == (0, 0)
    assert begin(engine, made) == []


def test_the_worker_of_a_running_task_is_told_with_its_next_heartbeat(engine: Engine, operations: Operations) -> None:
    mine, other, theirs = made = make(operations, 3)
    begin(engine, made[:2])
    begin(engine, made[2:], worker_id="v")
    assert operations.cancel(mine.id).state is TaskState.RUNNING
    operations.cancel(theirs.id)
    assert workers.heartbeat(engine, "w", queue="default", slots=1) == [str(mine.id)]
    assert workers.heartbeat(engine, "v", queue="default", slots=1) == [str(theirs.id)]
    assert tasks.get(engine, other.id).state is TaskState.RUNNING


def test_a_cancelled_attempt_is_final_and_asked_for_no_more(engine: Engine, operations: Operations) -> None:
    (task,) = made = make(operations, task_type="whoami", max_attempts=3)
    (held,) = begin(engine, made)
    operations.cancel(task.id)
    finished = claims.finish(engine, [cancelled(held)])
    assert (finished.again, finished.fenced) == ([], [])
    now = tasks.get(engine, task.id)
    assert (now.state, now.error) == (TaskState.CANCELLED, None)
    assert workers.heartbeat(engine, "w", queue="default", slots=1) == []


def test_a_task_that_is_to_be_cancelled_is_not_tried_again(engine: Engine, operations: Operations) -> None:
    (task,) = made = make(operations, task_type="whoami", max_attempts=3)
    (held,) = begin(engine, made)
    operations.cancel(task.id)
    assert claims.finish(engine, [failed(held, "handler_error", "no")]).again == []
    now = tasks.get(engine, task.id)
    assert now.state is TaskState.CANCELLED
    assert now.error
    assert now.finished_at


def test_what_succeeds_before_the_worker_is_told_has_succeeded(engine: Engine, operations: Operations) -> None:
    (task,) = made = make(operations)
    (held,) = begin(engine, made)
    operations.cancel(task.id)
    claims.finish(engine, [succeeded(held.id, held.token, "1")])
    assert tasks.get(engine, task.id).state is TaskState.SUCCEEDED


def test_a_handed_back_and_a_rescued_task_that_is_to_be_cancelled_is_cancelled(
    sweeper: Sweeper, engine: Engine, operations: Operations
) -> None:
    back, lost = made = make(operations, 2, task_type="whoami", max_attempts=3)
    held = {each.id: each for each in begin(engine, made)}
    for each in made:
        operations.cancel(each.id)
    claims.release(engine, [(str(back.id), held[str(back.id)].token)])
    sweeper.rescue()
    assert [tasks.get(engine, each.id).state for each in (back, lost)] == [TaskState.CANCELLED] * 2
    assert tasks.get(engine, back.id).attempt == 0


def test_an_outside_worker_is_told_with_its_heartbeat(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, task_type="outside")
    lease = operations.claim_one(task.id, worker_id="laptop")
    assert not operations.extend_lease(task.id, lease.claim_token)[1]
    operations.cancel(task.id)
    assert operations.extend_lease(task.id, lease.claim_token)[1]


def test_what_is_over_or_unknown_cannot_be_cancelled(engine: Engine, operations: Operations) -> None:
    (task,) = made = make(operations)
    (held,) = begin(engine, made)
    claims.finish(engine, [succeeded(held.id, held.token, "1")])
    with pytest.raises(TaskNotCancellable) as refused:
        operations.cancel(task.id)
    assert refused.value.details == {"state": TaskState.SUCCEEDED}
    with pytest.raises(TaskNotFound):
        operations.cancel(type(task.id)("01890000-0000-7000-8000-000000000000"))


def test_of_a_cancel_and_a_claim_one_wins_and_the_other_learns_it(engine: Engine, operations: Operations) -> None:
    for _ in range(RACES):
        made = make(operations)
        start = threading.Barrier(2)

        def claim(made: list[Task] = made, start: threading.Barrier = start) -> list[Claim]:
            start.wait()
            return begin(engine, made)

        with ThreadPoolExecutor(1) as pool:
            claiming = pool.submit(claim)
            start.wait()
            answered = operations.cancel(made[0].id)
            won = claiming.result()
        now = tasks.get(engine, made[0].id)
        assert now.state is answered.state
        assert (now.state is TaskState.RUNNING) == bool(won)
        told = workers.heartbeat(engine, "w", queue="default", slots=1)
        assert (str(made[0].id) in told) == bool(won)
