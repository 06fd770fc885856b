"""Dead workers and forgotten attempts are found by how long they show no sign of life, not by the clock of Postgres."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from app import outcome
from app.errors import ClaimLost
from app.ledger import claims, repairs, tasks, workers
from app.outcome import succeeded
from app.task import TaskState
from tests.making import change, ids, make
from workers.silence import ENOUGH_S, Silence
from workers.sweeper import SWEEP_INTERVAL_S, Sweeper

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.operations import Operations
    from app.task import Lease, Task
    from app.task_types import TaskTypes

DEAD_AFTER_S = 15.0
BEAT_S = 3.0
DAY_S = 86400.0
STEPS_S = (-30 * DAY_S, -3600.0, -20.0, -4.0, -1.0, 1.0, 4.0, 20.0, 3600.0, 30 * DAY_S)


class Time:
    """The clock of the sweepers, which passes only by `sleep`."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def new_sweeper(
    engine: Engine, redis: Redis, types: TaskTypes, settings: Settings, time: Time
) -> Callable[[], Sweeper]:
    return lambda: Sweeper(engine, redis, types, settings, clock=time)


@pytest.fixture
def sweeper(new_sweeper: Callable[[], Sweeper]) -> Sweeper:
    return new_sweeper()


def beat(engine: Engine) -> None:
    workers.heartbeat(engine, "w", queue="default", slots=1)


def begin(engine: Engine, made: list[Task]) -> None:
    token, types = claims.new_token(), [made[0].type]
    assert claims.claim(engine, ids(made), worker_id="w", types=types, token=token, asked_at=0.0).mine


def lease(engine: Engine, task: Task) -> Lease:
    return claims.lease_one(engine, task.id, worker_id="laptop", types=["outside"])


def set_clock(engine: Engine, by_s: float) -> None:
    """Make all rows look as they would if Postgres' clock had been set forward by this much."""
    with engine.connect() as connection:
        by = {"by": -by_s}
        connection.execute(text("UPDATE workers SET heartbeat_at = heartbeat_at + make_interval(secs => :by)"), by)
        connection.execute(
            text(
                "UPDATE tasks SET started_at = started_at + make_interval(secs => :by),"
                " lease_expires_at = lease_expires_at + make_interval(secs => :by) WHERE state = 'running'"
            ),
            by,
        )


def state(engine: Engine, task: Task) -> TaskState:
    return tasks.get(engine, task.id).state


def rescued_after_s(sweeper: Sweeper, engine: Engine, task: Task, time: Time, *, within_s: float) -> float:
    """Sweep until the task is rescued; return how long that took."""
    began = time()
    while time() - began <= within_s:
        sweeper.rescue()
        if state(engine, task) is not TaskState.RUNNING:
            return time() - began
        time.sleep(SWEEP_INTERVAL_S)
    raise AssertionError(f"it is not rescued after {within_s:g} s")


@pytest.mark.parametrize("by_s", STEPS_S)
def test_a_clock_that_is_set_takes_no_task_from_a_living_worker(
    sweeper: Sweeper, engine: Engine, operations: Operations, time: Time, by_s: float
) -> None:
    (task,) = made = make(operations, max_attempts=2)
    change(engine, task.id, "timeout_s = 600")
    beat(engine)
    begin(engine, made)
    for second in range(60):
        if second in {2, 31}:
            set_clock(engine, by_s)  # just after a heartbeat, and long after the start of the sweeper
        if second % 2 == 0:
            sweeper.rescue()
        if second % BEAT_S == 0:
            beat(engine)
        time.sleep(1)
    assert state(engine, task) is TaskState.RUNNING


@pytest.mark.parametrize("by_s", STEPS_S)
def test_a_clock_that_is_set_delays_no_rescue(
    sweeper: Sweeper, engine: Engine, operations: Operations, time: Time, by_s: float
) -> None:
    (task,) = made = make(operations)
    beat(engine)
    begin(engine, made)
    sweeper.rescue()
    set_clock(engine, by_s)
    took_s = rescued_after_s(sweeper, engine, task, time, within_s=60)
    assert DEAD_AFTER_S <= took_s <= DEAD_AFTER_S + SWEEP_INTERVAL_S + 2


def test_the_silence_before_the_first_look_of_a_sweeper_does_not_count(
    new_sweeper: Callable[[], Sweeper], engine: Engine, operations: Operations, time: Time
) -> None:
    (task,) = made = make(operations)
    beat(engine)
    begin(engine, made)
    set_clock(engine, 3600)
    for _ in range(3):  # each is restarted before it has watched for long enough
        time.sleep(DEAD_AFTER_S)
        assert not new_sweeper().rescue()
        assert state(engine, task) is TaskState.RUNNING
    assert rescued_after_s(new_sweeper(), engine, task, time, within_s=60) >= DEAD_AFTER_S


def test_a_sweeper_that_was_frozen_does_not_take_tasks_of_workers_that_beat_meanwhile(
    sweeper: Sweeper, engine: Engine, operations: Operations, time: Time
) -> None:
    (task,) = made = make(operations)
    beat(engine)
    begin(engine, made)
    sweeper.rescue()
    time.sleep(3600)
    beat(engine)
    sweeper.rescue()
    assert state(engine, task) is TaskState.RUNNING


def test_a_heartbeat_that_arrives_during_the_rescue_keeps_the_tasks(
    sweeper: Sweeper, engine: Engine, operations: Operations, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = made = make(operations)
    beat(engine)
    begin(engine, made)
    sweeper.rescue()
    time.sleep(DEAD_AFTER_S)
    original, found = outcome.failed, []

    def failed(attempt: Any, *why: Any) -> Any:
        found.append(attempt.id)
        beat(engine)
        return original(attempt, *why)

    monkeypatch.setattr(outcome, "failed", failed)
    sweeper.rescue()
    assert found == ids(made)
    assert state(engine, task) is TaskState.RUNNING
    monkeypatch.undo()
    assert rescued_after_s(sweeper, engine, task, time, within_s=60) >= DEAD_AFTER_S


def test_two_sweepers_rescue_a_task_once(
    new_sweeper: Callable[[], Sweeper], engine: Engine, operations: Operations, time: Time
) -> None:
    (task,) = made = make(operations, task_type="whoami", max_attempts=3)
    sweepers = [new_sweeper(), new_sweeper()]
    beat(engine)
    begin(engine, made)
    for _ in range(20):
        for each in sweepers:
            each.rescue()
        time.sleep(SWEEP_INTERVAL_S)
    now = tasks.get(engine, task.id)
    assert (now.state, now.attempt) == (TaskState.SCHEDULED, 1)


def test_tasks_of_a_worker_whose_row_is_gone_are_rescued_at_once(
    sweeper: Sweeper, engine: Engine, operations: Operations
) -> None:
    (task,) = made = make(operations)
    beat(engine)
    begin(engine, made)
    workers.retire(engine, "w")
    sweeper.rescue()
    assert state(engine, task) is TaskState.FAILED


def test_the_sweeper_notices_heartbeats_between_its_sweeps(
    sweeper: Sweeper, engine: Engine, operations: Operations, time: Time
) -> None:
    """So the silence counts from shortly after the last heartbeat, and not from the next sweep."""
    (task,) = made = make(operations)
    begin_at = time()
    beat(engine)
    begin(engine, made)
    sweeper.step()
    time.sleep(0.5)
    beat(engine)
    sweeper.step()
    while state(engine, task) is TaskState.RUNNING:
        assert time() - begin_at < 60
        time.sleep(0.5)
        sweeper.step()
    assert time() - begin_at - 0.5 <= DEAD_AFTER_S + SWEEP_INTERVAL_S


@pytest.mark.parametrize("by_s", STEPS_S)
def test_a_holder_of_a_lease_keeps_it_when_the_clock_is_set(
    sweeper: Sweeper, engine: Engine, operations: Operations, time: Time, by_s: float
) -> None:
    (task,) = make(operations, task_type="outside")  # of 5 s: a lease lasts 10 s
    held = lease(engine, task)
    for _ in range(10):
        sweeper.rescue()
        set_clock(engine, by_s)
        time.sleep(4)
        sweeper.rescue()
        time.sleep(4)
        sweeper.rescue()
        claims.extend_lease(engine, task.id, held.claim_token)
    assert state(engine, task) is TaskState.RUNNING
    set_clock(engine, by_s)
    ended = succeeded(str(task.id), str(held.claim_token), "1")
    assert claims.finish_lease(engine, ended)[0].state is TaskState.SUCCEEDED


@pytest.mark.parametrize("by_s", STEPS_S)
def test_a_lease_that_nothing_renews_ends_when_the_clock_is_set(
    sweeper: Sweeper, engine: Engine, operations: Operations, time: Time, by_s: float
) -> None:
    (task,) = make(operations, task_type="outside", max_attempts=2)
    held = lease(engine, task)
    sweeper.rescue()
    set_clock(engine, by_s)
    lasts_s, sweep_s = 10, SWEEP_INTERVAL_S
    assert lasts_s <= rescued_after_s(sweeper, engine, task, time, within_s=60) <= lasts_s + 2 * sweep_s
    with pytest.raises(ClaimLost):
        claims.extend_lease(engine, task.id, held.claim_token)
    with pytest.raises(ClaimLost):
        claims.finish_lease(engine, succeeded(str(task.id), str(held.claim_token), "1"))
    with pytest.raises(ClaimLost):
        claims.hand_back_lease(engine, task.id, held.claim_token)


def test_a_lease_that_is_renewed_during_the_rescue_holds(
    sweeper: Sweeper, engine: Engine, operations: Operations, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = make(operations, task_type="outside")
    held = lease(engine, task)
    sweeper.rescue()
    time.sleep(10)
    original = outcome.failed

    def failed(*what: Any) -> Any:
        claims.extend_lease(engine, task.id, held.claim_token)
        return original(*what)

    monkeypatch.setattr(outcome, "failed", failed)
    sweeper.rescue()
    assert state(engine, task) is TaskState.RUNNING


def test_a_lease_of_days_ends_although_sweepers_are_restarted_every_day(
    new_sweeper: Callable[[], Sweeper], engine: Engine, operations: Operations, time: Time
) -> None:
    (task,) = make(operations, task_type="outside")
    change(engine, task.id, "timeout_s = 86400")
    lease(engine, task)
    early = new_sweeper()
    early.rescue()
    time.sleep(ENOUGH_S)
    early.rescue()
    assert state(engine, task) is TaskState.RUNNING, "it has not ended by any clock"
    set_clock(engine, 2 * DAY_S + 1)
    late = new_sweeper()
    late.rescue()
    time.sleep(ENOUGH_S - 1)
    late.rescue()
    assert state(engine, task) is TaskState.RUNNING
    time.sleep(1)
    late.rescue()
    assert state(engine, task) is TaskState.FAILED


@pytest.mark.parametrize("by_s", [*STEPS_S, 0.0])
def test_a_task_that_a_living_worker_forgot_is_rescued_long_after_its_timeout(
    sweeper: Sweeper, engine: Engine, operations: Operations, time: Time, by_s: float
) -> None:
    """A failover to a lagging standby undoes the outcome that the worker had written, and may bring another clock."""
    (task,) = made = make(operations)
    beat(engine)
    begin(engine, made)
    change(engine, task.id, "started_at = started_at - interval '1 min'")
    sweeper.rescue()
    set_clock(engine, by_s)
    limit_s = 5 + repairs.FORGOTTEN_AFTER_S
    began = time()
    while state(engine, task) is TaskState.RUNNING:
        assert time() - began < 2 * limit_s + 20
        beat(engine)
        time.sleep(SWEEP_INTERVAL_S)
        sweeper.rescue()
    assert time() - began >= limit_s


@pytest.mark.parametrize("by_s", [-3600.0, -20.0, 20.0, 3600.0])
def test_a_dead_worker_is_not_shown_as_alive_after_the_clock_was_set(engine: Engine, by_s: float) -> None:
    beat(engine)
    set_clock(engine, by_s)
    assert workers.known(engine)[0].silent_s > DEAD_AFTER_S
    beat(engine)
    assert 0 <= workers.known(engine)[0].silent_s < DEAD_AFTER_S


def test_the_row_of_a_living_worker_is_not_purged_when_the_clock_is_set(engine: Engine, time: Time) -> None:
    silence = Silence(engine, dead_after_s=DEAD_AFTER_S, clock=time)
    beat(engine)
    set_clock(engine, 2 * DAY_S)
    assert workers.purge(engine, silence.look_at_workers(), older_than_s=DAY_S) == 0
    time.sleep(DEAD_AFTER_S)
    beat(engine)
    set_clock(engine, 2 * DAY_S)
    assert workers.purge(engine, silence.look_at_workers(), older_than_s=DAY_S) == 0
    time.sleep(DEAD_AFTER_S)
    assert workers.purge(engine, silence.look_at_workers(), older_than_s=DAY_S) == 1
