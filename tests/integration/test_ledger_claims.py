"""Claims in the ledger: all outcomes of the conditional update, and the calls that need a claim."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from app.errors import TaskDeleted, TaskNotClaimable, TaskNotDeletable, TaskNotFound
from app.ledger import claims, tasks
from app.outcome import failed, succeeded
from app.task import TaskError, TaskState
from tests.making import ahead, change, ids, make

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.ledger.claims import Claimed
    from app.operations import Operations
    from app.task import Lease

TYPES = ["noop", "whoami"]


def claim(engine: Engine, wanted: list[str], worker_id: str = "w") -> Claimed:
    return claims.claim(engine, wanted, worker_id=worker_id, types=TYPES, token=claims.new_token(), asked_at=0.0)


def test_a_due_task_is_claimed_once_and_names_its_worker(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations)
    first, second = claim(engine, ids([task])), claim(engine, ids([task]))
    assert [each.id for each in first.mine] == ids([task])
    assert (second.mine, second.waiting) == ([], [])
    now = tasks.get(engine, task.id)
    assert (now.state, now.attempt, now.worker_id) == (TaskState.RUNNING, 1, "w")
    assert now.lag_ms is not None
    assert now.lag_ms > 0


def test_a_claim_of_a_task_that_is_not_due_returns_its_instant(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, at=ahead(60))
    answer = claim(engine, ids([task]))
    assert answer.mine == []
    assert [(each.id, each.type, each.at) for each in answer.waiting] == [(str(task.id), "noop", task.execute_at)]


def test_a_claim_omits_deleted_tasks_and_unknown_ids(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations)
    operations.delete(task.id)
    answer = claim(engine, [str(task.id), "01890000-0000-7000-8000-000000000000"])
    assert (answer.mine, answer.waiting) == ([], [])


def test_a_task_of_a_type_that_this_worker_does_not_know_keeps_waiting(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, task_type="foo")
    answer = claim(engine, ids([task]))
    assert answer.mine == []
    assert [each.type for each in answer.waiting] == ["foo"]


def test_eight_claimers_of_the_same_tasks_claim_each_task_once(engine: Engine, operations: Operations) -> None:
    wanted = ids(make(operations, 200))
    start = threading.Barrier(8)

    def race(name: int) -> list[str]:
        start.wait()
        return [each.id for each in claim(engine, wanted, worker_id=f"w{name}").mine]

    with ThreadPoolExecutor(8) as pool:
        won = [each for result in pool.map(race, range(8)) for each in result]
    assert sorted(won) == sorted(wanted)


def test_the_tasks_of_an_unanswered_claim_are_found_by_its_token(engine: Engine, operations: Operations) -> None:
    wanted = ids(make(operations, 3))
    token = claims.new_token()
    claims.claim(engine, wanted[:2], worker_id="w", types=TYPES, token=token, asked_at=0.0)
    assert {each.id for each in claims.claimed_by(engine, wanted, token)} == set(wanted[:2])
    assert claims.claimed_by(engine, wanted, claims.new_token()) == []


def test_an_outcome_without_the_claim_token_is_fenced(engine: Engine, operations: Operations) -> None:
    first, second = make(operations, 2)
    held = {each.id: each for each in claim(engine, ids([first, second])).mine}
    finished = claims.finish(
        engine,
        [
            succeeded(str(first.id), held[str(first.id)].token, '{"a": 1}'),
            succeeded(str(second.id), claims.new_token(), "2"),
        ],
    )
    assert (finished.again, finished.fenced) == ([], [str(second.id)])
    assert msgspec.json.decode(tasks.get(engine, first.id).result) == {"a": 1}
    assert tasks.get(engine, second.id).state is TaskState.RUNNING


def test_writing_an_outcome_twice_is_not_fenced(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations)
    (mine,) = claim(engine, ids([task])).mine
    outcome = succeeded(mine.id, mine.token, "1")
    assert claims.finish(engine, [outcome]) == claims.finish(engine, [outcome])


def test_a_failure_with_attempts_left_waits_for_the_next_one(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, task_type="whoami", max_attempts=2)
    (mine,) = claim(engine, ids([task])).mine
    finished = claims.finish(engine, [failed(mine, "handler_error", "no")])
    now = tasks.get(engine, task.id)
    assert now.state is TaskState.SCHEDULED
    assert now.next_attempt_at
    assert now.next_attempt_at > ahead(0.5)
    assert now.execute_at == task.execute_at
    assert [each.at for each in finished.again] == [now.next_attempt_at]
    assert now.error == TaskError("handler_error", "no", 1)


def test_the_last_failure_is_final(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations)
    (mine,) = claim(engine, ids([task])).mine
    claims.finish(engine, [failed(mine, "timeout", "late")])
    now = tasks.get(engine, task.id)
    assert (now.state, now.error) == (TaskState.FAILED, TaskError("timeout", "late", 1))
    assert now.finished_at


def test_a_hand_back_does_not_count_as_an_attempt(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations)
    (mine,) = claim(engine, ids([task])).mine
    assert [each.id for each in claims.hand_back(engine, [(mine.id, mine.token)])] == ids([task])
    assert tasks.get(engine, task.id) == task
    assert claims.hand_back(engine, [(mine.id, mine.token)]) == []
    assert claims.finish(engine, [succeeded(mine.id, mine.token, "1")]).fenced == ids([task])


def test_only_a_task_that_never_began_is_deleted(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations)
    (mine,) = claim(engine, ids([task])).mine
    with pytest.raises(TaskNotDeletable) as running:
        tasks.delete(engine, task.id)
    assert running.value.details == {"state": TaskState.RUNNING, "attempt": 1}
    claims.finish(engine, [succeeded(mine.id, mine.token, "1")])
    with pytest.raises(TaskNotDeletable):
        tasks.delete(engine, task.id)


def test_a_task_between_two_attempts_cannot_be_deleted(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, task_type="whoami", max_attempts=2)
    (mine,) = claim(engine, ids([task])).mine
    claims.finish(engine, [failed(mine, "handler_error", "no")])
    with pytest.raises(TaskNotDeletable):
        tasks.delete(engine, task.id)


def test_deleting_twice_answers_the_same(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations)
    assert tasks.delete(engine, task.id) == tasks.delete(engine, task.id)
    with pytest.raises(TaskDeleted):
        tasks.show(engine, task.id)


@pytest.mark.parametrize("state", [TaskState.SUCCEEDED, TaskState.DELETED])
def test_no_statement_leaves_a_final_state(engine: Engine, operations: Operations, state: TaskState) -> None:
    (task,) = make(operations)
    if state is TaskState.DELETED:
        tasks.delete(engine, task.id)
    else:
        (mine,) = claim(engine, ids([task])).mine
        claims.finish(engine, [succeeded(mine.id, mine.token, "1")])
    for assignments in ("state = 'scheduled', deleted_at = NULL", "result = '2'", "state = state"):
        with pytest.raises(DBAPIError, match="final"):
            change(engine, task.id, assignments)


@pytest.mark.parametrize(
    "assignments",
    [
        "state = 'queued'",
        "state = 'running'",
        "state = 'succeeded'",
        "state = 'deleted'",
        "execute_at = '10000-01-01T00:00:00Z'",
        "execute_at = '0001-12-31T23:59:59Z BC'",
        "timeout_s = 0",
        "attempt = 2",
        "max_attempts = 1000",
    ],
)
def test_an_inconsistent_row_is_refused(engine: Engine, operations: Operations, assignments: str) -> None:
    (task,) = make(operations)
    with pytest.raises(DBAPIError, match=r"violates check constraint|invalid input value for enum|cannot go from"):
        change(engine, task.id, assignments)


def lease(engine: Engine, task_id: UUID) -> Lease:
    return claims.lease_one(engine, task_id, worker_id="outside", types=["outside"])


def test_outside_workers_get_the_earliest_due_task_first(engine: Engine, operations: Operations) -> None:
    late, early = make(operations, task_type="outside", at=ahead(-1))[0], make(operations, task_type="outside")[0]
    make(operations, task_type="noop")
    found = claims.lease_due(engine, worker_id="outside", types=["outside"], limit=10)
    assert [each.task.id for each in found] == [early.id, late.id]
    assert claims.lease_due(engine, worker_id="outside", types=["outside"], limit=10) == []


def test_a_repeated_outcome_has_the_same_answer(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, task_type="outside")
    held = lease(engine, task.id)
    outcome = succeeded(str(task.id), str(held.claim_token), "1")
    assert claims.finish_lease(engine, outcome) == claims.finish_lease(engine, outcome)


def test_leased_tasks_are_ordered_by_due_time_not_execute_at(engine: Engine, operations: Operations) -> None:
    retried, fresh = (
        make(operations, task_type="outside", max_attempts=2)[0],
        make(operations, task_type="outside", at=ahead(-60))[0],
    )
    change(engine, retried.id, "attempt = 1, next_attempt_at = clock_timestamp() - interval '1 s'")
    found = claims.lease_due(engine, worker_id="outside", types=["outside"], limit=10)
    assert [each.task.id for each in found] == [fresh.id, retried.id]


def test_a_lease_lasts_twice_the_timeout_and_is_renewed(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, task_type="outside")
    held = lease(engine, task.id)
    assert ahead(8) < held.lease_expires_at < ahead(11)
    renewed, _ = claims.extend_lease(engine, task.id, held.claim_token)
    assert renewed.lease_expires_at > held.lease_expires_at


def test_a_lease_holds_until_the_sweeper_takes_it_away(engine: Engine, operations: Operations) -> None:
    """It does not end at an instant of Postgres' clock, which may be set."""
    first, second, third = made = make(operations, 3, task_type="outside")
    held = {each.id: lease(engine, each.id) for each in made}
    for each in made:
        change(engine, each.id, "lease_expires_at = clock_timestamp() - interval '1 ms'")
    assert claims.extend_lease(engine, first.id, held[first.id].claim_token)[0].lease_expires_at > ahead(8)
    outcome = succeeded(str(second.id), str(held[second.id].claim_token), "1")
    assert claims.finish_lease(engine, outcome)[0].state is TaskState.SUCCEEDED
    assert claims.hand_back_lease(engine, third.id, held[third.id].claim_token).state is TaskState.SCHEDULED


def test_an_unused_lease_is_handed_back(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, task_type="outside")
    held = lease(engine, task.id)
    assert claims.hand_back_lease(engine, task.id, held.claim_token) == task


@pytest.mark.parametrize(("task_type", "seconds", "reason"), [("outside", 60, "not due"), ("noop", -1, "own workers")])
def test_a_claim_by_id_names_the_reason_of_its_refusal(
    engine: Engine, operations: Operations, task_type: str, seconds: float, reason: str
) -> None:
    (task,) = make(operations, task_type=task_type, at=ahead(seconds))
    with pytest.raises(TaskNotClaimable, match=reason):
        lease(engine, task.id)


def test_running_and_unknown_tasks_cannot_be_claimed_by_id(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, task_type="outside")
    lease(engine, task.id)
    with pytest.raises(TaskNotClaimable, match="running"):
        lease(engine, task.id)
    with pytest.raises(TaskNotFound):
        lease(engine, type(task.id)("01890000-0000-7000-8000-000000000000"))
