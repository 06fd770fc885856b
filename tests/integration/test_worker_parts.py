"""The parts of the worker process: claimer, finisher, unresolved claims."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from app.broker.due_set import DueSet, Route
from app.config import read_settings
from app.connections import connect_postgres, connect_redis
from app.counter_buffer import CounterBuffer
from app.errors import LedgerUnavailable
from app.ledger import claims, tasks
from app.ledger.counters import Counter
from app.outcome import Outcome, failed, succeeded
from app.task import Claim, TaskState
from tests.acceptance.conditions import wait_until
from tests.making import NOWHERE, ahead, counted, ids, make
from workers.pool.pool import FreeSlots
from workers.worker.claimer import Claimer
from workers.worker.finisher import Finisher
from workers.worker.inbox import MAX_WAIT_S, Inbox
from workers.worker.unresolved_claims import UnresolvedClaims

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.operations import Operations
    from app.outcome import Outcome
    from app.task_types import TaskTypes

PATIENCE_S = 10.0


class RecordingPool:
    """A pool with free slots that only records claims; every type is fast."""

    def __init__(self, slots: int) -> None:
        self.ran: list[Claim] = []
        self.free_slots = FreeSlots(slots)
        self.durations = self

    def is_slow(self, _task_type: str) -> bool:
        return False

    def slots_of_slow_types(self) -> int:
        return 0

    def capacity(self, _task_type: str, free: int) -> int:
        return free

    def run(self, won: Sequence[Claim]) -> None:
        self.ran += won


class WallClock:
    """The clock of this machine, or ahead of it."""

    ahead_s = 0.0

    def now(self) -> float:
        return time.time() + self.ahead_s

    def refresh(self) -> None:
        """Measure nothing."""


class HandedBack:
    """A finisher that records claims handed back."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []

    def add(self, items: Sequence[Outcome | Claim]) -> None:
        for each in items:
            assert isinstance(each, Claim)
            self.claims.append(each)


class Parts:
    """A claimer and the parts that it uses."""

    def __init__(self, engine: Engine, due_set: DueSet, types: TaskTypes, slots: int = 2) -> None:
        self.pool = RecordingPool(slots)
        self.may_claim = threading.Event()
        self.may_claim.set()
        self.counters = CounterBuffer(engine)
        self.clock, self.handed_back = WallClock(), HandedBack()
        self.unresolved = UnresolvedClaims(engine, self.handed_back, resolve_after_s=0)
        self.inbox = Inbox(self.pool, clock=self.clock)  # type: ignore[arg-type]
        self.claimer = Claimer(
            engine, due_set, self.inbox, self.pool, types, worker_id="w",  # type: ignore[arg-type]
            unresolved=self.unresolved, may_claim=self.may_claim, counters=self.counters, clock=self.clock,  # type: ignore[arg-type]
        )  # fmt: skip

    def receive(self, task_type: str, wanted: list[str]) -> None:
        """Put a delivery into the inbox and claim what can begin."""
        self.inbox.put(task_type, wanted)
        while self.claimer.step(0.0):
            continue


@pytest.fixture
def parts(engine: Engine, due_set: DueSet, types: TaskTypes) -> Parts:
    return Parts(engine, due_set, types)


@pytest.fixture
def counters(engine: Engine) -> CounterBuffer:
    return CounterBuffer(engine)


@pytest.fixture
def finisher(engine: Engine, due_set: DueSet, counters: CounterBuffer) -> Iterator[Finisher]:
    finisher = Finisher(engine, due_set, counters, {})
    yield finisher
    finisher.close(PATIENCE_S)


def begin(engine: Engine, wanted: list[str]) -> list[Claim]:
    types = ["noop", "whoami"]
    return claims.claim(engine, wanted, worker_id="w", types=types, token=claims.new_token(), asked_at=0.0).mine


def test_a_delivery_is_claimed_as_slots_become_free(parts: Parts, operations: Operations) -> None:
    made = make(operations, 5)
    parts.receive("noop", ids(made))
    assert [each.id for each in parts.pool.ran] == ids(made)


def test_the_id_of_a_claimed_task_is_removed_and_an_early_one_returns_to_the_due_set(
    parts: Parts, operations: Operations, due_set: DueSet
) -> None:
    due, early = make(operations)[0], make(operations, at=ahead(60))[0]
    deleted = operations.delete(make(operations)[0].id)
    due_set.redis.delete("due:noop")
    due_set.redis.zadd("delivered:noop", dict.fromkeys(ids([due, early, deleted]), 1))
    parts.receive("noop", ids([due, early, deleted]))
    assert [each.id for each in parts.pool.ran] == ids([due])
    assert due_set.sizes(["noop"]) == (1, 0)
    assert parts.counters.pending() == {Counter.CLAIMS_LOST: 1}


@pytest.mark.parametrize("why", ["stop", "no slot", "fenced"])
def test_ids_that_cannot_begin_here_return_to_the_due_set(
    parts: Parts, operations: Operations, due_set: DueSet, why: str, harm: Redis
) -> None:
    made = make(operations, 3)
    harm.flushall()
    parts.pool.free_slots.take(2)
    parts.receive("noop", ids(made))
    assert due_set.sizes(["noop"]) == (0, 0)
    if why == "stop":
        parts.claimer.put_back_all()
    elif why == "no slot":
        parts.clock.ahead_s = MAX_WAIT_S
        parts.claimer.step(0.0)
    else:
        parts.may_claim.clear()
        parts.claimer.step(0.0)
    assert parts.pool.ran == []
    assert due_set.sizes(["noop"]) == (3, 0)
    assert counted(operations.engine) == {("noop", "scheduled"): 3}


def test_an_unknown_type_returns_to_the_due_set_with_a_delay(
    engine: Engine, due_set: DueSet, operations: Operations, harm: Redis
) -> None:
    old_release = Parts(
        engine, due_set, type(operations.types)(each for each in operations.types if each.name == "foo")
    )
    made = make(operations)
    harm.flushall()
    old_release.receive("noop", ids(made))
    assert due_set.promote([Route("noop", "default", 1)], now=time.time()).taken[0].ids == []
    assert due_set.sizes(["noop"]) == (1, 0)


def test_an_unanswered_claim_is_neither_run_nor_repeated_but_handed_back(
    parts: Parts, operations: Operations, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(operations, 2)
    really_claim = claims.claim

    def committed_but_unanswered(*arguments: Any, **options: Any) -> None:
        really_claim(*arguments, **options)
        raise LedgerUnavailable

    monkeypatch.setattr(claims, "claim", committed_but_unanswered)
    with pytest.raises(LedgerUnavailable):
        parts.receive("noop", ids(made))
    assert parts.pool.ran == []
    parts.unresolved.resolve()
    handed_back = parts.handed_back.claims
    assert {each.id for each in handed_back} == set(ids(made))
    assert claims.hand_back(engine, [(each.id, each.token) for each in handed_back])
    assert counted(engine) == {("noop", "scheduled"): 2}


def test_claimed_tasks_run_while_redis_is_unavailable(engine: Engine, types: TaskTypes, operations: Operations) -> None:
    parts = Parts(engine, DueSet(connect_redis(read_settings(NOWHERE))), types)
    made = make(operations, 2)
    parts.receive("noop", ids(made))
    assert len(parts.pool.ran) == 2


def test_outcomes_are_written_and_an_invalid_one_does_not_delay_the_others(
    finisher: Finisher, engine: Engine, operations: Operations
) -> None:
    made = make(operations, 3)
    held = begin(engine, ids(made))
    for number, each in enumerate(held):
        finisher.add([succeeded(each.id, each.token, '{"not": JSON}' if number == 1 else "1")])
    wait_until(lambda: counted(engine) == {("noop", "succeeded"): 2, ("noop", "failed"): 1}, PATIENCE_S, "all are over")
    refused = tasks.get(engine, made[[each.id for each in held].index(held[1].id)].id)
    assert refused.state in {TaskState.SUCCEEDED, TaskState.FAILED}


def test_a_failed_attempt_returns_to_the_due_set(
    finisher: Finisher, engine: Engine, operations: Operations, due_set: DueSet, harm: Redis
) -> None:
    made = make(operations, task_type="whoami", max_attempts=2)
    (held,) = begin(engine, ids(made))
    harm.flushall()
    finisher.add([failed(held, "timeout", "late")])
    wait_until(lambda: due_set.sizes(["whoami"]) == (1, 0), PATIENCE_S, "it is scheduled")


def test_unused_claims_are_handed_back_and_scheduled(  # noqa: PLR0917  # fixtures
    finisher: Finisher, counters: CounterBuffer, engine: Engine, operations: Operations, due_set: DueSet, harm: Redis
) -> None:
    made = make(operations, 3)
    held = begin(engine, ids(made))
    harm.flushall()
    finisher.add(held)
    wait_until(lambda: due_set.sizes(["noop"]) == (3, 0), PATIENCE_S, "they are scheduled")
    assert counters.pending() == {Counter.HANDED_BACK: 3}
    assert all(tasks.get(engine, each.id) == each for each in made)


def test_a_fenced_outcome_is_counted_and_changes_nothing(
    finisher: Finisher, counters: CounterBuffer, engine: Engine, operations: Operations
) -> None:
    (task,) = made = make(operations)
    (held,) = begin(engine, ids(made))
    finisher.add([succeeded(held.id, claims.new_token(), "1")])
    wait_until(lambda: counters.pending() == {Counter.FENCED: 1}, PATIENCE_S, "it is counted")
    assert tasks.get(engine, task.id).state is TaskState.RUNNING


def test_an_outcome_is_kept_until_postgres_is_available(
    due_set: DueSet, engine: Engine, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(operations)
    (held,) = begin(engine, ids(made))
    unavailable = connect_postgres(read_settings(NOWHERE), name="unavailable")
    finish = claims.finish
    finisher = Finisher(engine, due_set, CounterBuffer(engine), {})
    with monkeypatch.context() as patch:
        patch.setattr(claims, "finish", lambda _, outcomes: finish(unavailable, outcomes))
        finisher.add([succeeded(held.id, held.token, "1")])
        assert not finisher.close(0.5)
    assert finisher.close(PATIENCE_S)
    assert counted(engine) == {("noop", "succeeded"): 1}
    unavailable.dispose()


def test_outcomes_and_unused_claims_are_written_in_their_order_and_large_results_apart(
    finisher: Finisher, counters: CounterBuffer, engine: Engine, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    finish = claims.finish

    def counting(engine: Engine, outcomes: Sequence[Outcome]) -> claims.Finished:
        sizes.append(len(outcomes))
        return finish(engine, outcomes)

    monkeypatch.setattr(claims, "finish", counting)
    monkeypatch.setattr("workers.worker.finisher.MAX_STATEMENT_BYTES", 10)
    monkeypatch.setattr(finisher, "start", lambda: None)
    first, second, third, unused, last = begin(engine, ids(make(operations, 5)))
    finisher.add([succeeded(each.id, each.token, '"seven"') for each in (first, second, third)])
    finisher.add([unused])
    finisher.add([succeeded(last.id, last.token, "1")])
    while finisher.waiting():
        finisher.step()
    assert sizes == [2, 1, 1]
    assert counted(engine) == {("noop", "succeeded"): 4, ("noop", "scheduled"): 1}
    assert counters.pending() == {Counter.HANDED_BACK: 1}
