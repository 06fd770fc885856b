"""Cancelling in the ledger: one conditional statement, and the cancel requests in the heartbeat."""

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


def test_a_task_that_was_cancelled_before_it_began_is_never_claimed(
    engine: Engine, operations: Operations, due_set: DueSet
) -> None:
    (task,) = made = make(operations)
    now = operations.cancel(task.id)
    assert (now.state, now.attempt) == (TaskState.CANCELLED, 0)
    assert now.finished_at
    assert due_set.sizes(["noop"]) == (0, 0)
    assert begin(engine, made) == []
    assert operations.cancel(task.id) == now, "a caller whose answer was lost asks again"


def test_a_heartbeat_returns_the_running_tasks_to_cancel(engine: Engine, operations: Operations) -> None:
    mine, other, theirs = made = make(operations, 3)
    begin(engine, made[:2])
    begin(engine, made[2:], worker_id="v")
    assert operations.cancel(mine.id).state is TaskState.RUNNING
    operations.cancel(theirs.id)
    assert workers.heartbeat(engine, "w", queue="default", slots=1) == [str(mine.id)]
    assert workers.heartbeat(engine, "v", queue="default", slots=1) == [str(theirs.id)]
    assert tasks.get(engine, other.id).state is TaskState.RUNNING


def test_a_cancelled_attempt_is_final_and_no_longer_in_the_heartbeat(engine: Engine, operations: Operations) -> None:
    (task,) = made = make(operations, task_type="whoami", max_attempts=3)
    (held,) = begin(engine, made)
    operations.cancel(task.id)
    finished = claims.finish(engine, [cancelled(held)])
    assert (finished.again, finished.fenced) == ([], [])
    now = tasks.get(engine, task.id)
    assert (now.state, now.error) == (TaskState.CANCELLED, None)
    assert workers.heartbeat(engine, "w", queue="default", slots=1) == []


def test_a_task_with_a_cancel_request_is_not_retried(engine: Engine, operations: Operations) -> None:
    (task,) = made = make(operations, task_type="whoami", max_attempts=3)
    (held,) = begin(engine, made)
    operations.cancel(task.id)
    assert claims.finish(engine, [failed(held, "handler_error", "no")]).again == []
    now = tasks.get(engine, task.id)
    assert now.state is TaskState.CANCELLED
    assert now.error
    assert now.finished_at


def test_a_success_before_the_next_heartbeat_stays_a_success(engine: Engine, operations: Operations) -> None:
    (task,) = made = make(operations)
    (held,) = begin(engine, made)
    operations.cancel(task.id)
    claims.finish(engine, [succeeded(held.id, held.token, "1")])
    assert tasks.get(engine, task.id).state is TaskState.SUCCEEDED


def test_handed_back_and_rescued_tasks_with_a_cancel_request_are_cancelled(
    sweeper: Sweeper, engine: Engine, operations: Operations
) -> None:
    back, lost = made = make(operations, 2, task_type="whoami", max_attempts=3)
    held = {each.id: each for each in begin(engine, made)}
    for each in made:
        operations.cancel(each.id)
    claims.hand_back(engine, [(str(back.id), held[str(back.id)].token)])
    sweeper.rescue()
    assert [tasks.get(engine, each.id).state for each in (back, lost)] == [TaskState.CANCELLED] * 2
    assert tasks.get(engine, back.id).attempt == 0


def test_the_heartbeat_of_an_outside_worker_returns_the_cancel_request(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, task_type="outside")
    lease = operations.claim_one(task.id, worker_id="laptop")
    assert not operations.extend_lease(task.id, lease.claim_token)[1]
    operations.cancel(task.id)
    assert operations.extend_lease(task.id, lease.claim_token)[1]


def test_final_and_unknown_tasks_cannot_be_cancelled(engine: Engine, operations: Operations) -> None:
    (task,) = made = make(operations)
    (held,) = begin(engine, made)
    claims.finish(engine, [succeeded(held.id, held.token, "1")])
    with pytest.raises(TaskNotCancellable) as refused:
        operations.cancel(task.id)
    assert refused.value.details == {"state": TaskState.SUCCEEDED}
    with pytest.raises(TaskNotFound):
        operations.cancel(type(task.id)("01890000-0000-7000-8000-000000000000"))


def test_a_cancel_and_a_claim_at_once_agree_on_who_won(engine: Engine, operations: Operations) -> None:
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
        to_cancel = workers.heartbeat(engine, "w", queue="default", slots=1)
        assert (str(made[0].id) in to_cancel) == bool(won)
