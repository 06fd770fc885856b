"""Idle sessions that the server has ended: the next call on each is answered, because Postgres is available."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from app.connections import connect_postgres
from app.errors import LedgerUnavailable, LedgerUnchanged
from app.ledger import claims, counters, keys, repairs, server, statistics, tasks, workers
from app.ledger.calls import Effect
from app.ledger.counters import Counter
from app.ledger.listing import Filter, list_tasks
from app.ledger.statements import SQL, effect
from app.outcome import succeeded
from app.postgres_sessions import Sessions
from app.task import TaskState
from tests.integration.api_calls import PAST, body, create, lease
from tests.integration.test_worker_parts import Parts
from tests.making import ids, make, new_task

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.config import Settings
    from app.operations import Operations
    from app.task_types import TaskTypes

EndSessions = Callable[[], int]
TASK = {"type": "foo", "execute_at": PAST}
REQUESTS: dict[str, Callable[[FlaskClient, dict[str, Any]], Any]] = {
    "show": lambda client, task: client.get(f"/tasks/{task['id']}"),
    "list": lambda client, _: client.get("/tasks"),
    "list of one type": lambda client, _: client.get("/tasks?type=foo&state=scheduled"),
    "next": lambda client, _: client.get("/tasks/next"),
    "types": lambda client, _: client.get("/types"),
    "stats": lambda client, _: client.get("/stats"),
    "ready": lambda client, _: client.get("/ready"),
    "create": lambda client, _: client.post("/tasks", json=TASK),
    "create a batch": lambda client, _: client.post("/tasks/batch", json={"tasks": [TASK]}),
    "delete": lambda client, task: client.delete(f"/tasks/{task['id']}"),
    "claim": lambda client, _: client.post("/tasks/claim", json={"worker_id": "w"}),
}
LEASED: dict[str, dict[str, Any]] = {"heartbeat": {}, "complete": {"result": 1}, "fail": {"error": "no"}, "release": {}}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_first_request_after_all_sessions_have_ended_is_answered(
    name: str, client: FlaskClient, end_sessions: EndSessions
) -> None:
    task = create(client)
    create(client, type="outside", execute_at=PAST)
    assert end_sessions()
    answer = REQUESTS[name](client, task)
    assert answer.status_code < 300, answer.text


@pytest.mark.parametrize("name", LEASED)
def test_the_first_request_about_a_lease_after_all_sessions_have_ended_is_answered(
    name: str, client: FlaskClient, end_sessions: EndSessions
) -> None:
    held = lease(client)
    assert end_sessions()
    answer = client.post(f"/tasks/{held['id']}/{name}", json={"claim_token": held["claim_token"]} | LEASED[name])
    assert answer.status_code == 200, answer.text


def test_every_statement_of_the_processes_is_answered_after_the_sessions_have_ended(
    engine: Engine, operations: Operations, end_sessions: EndSessions
) -> None:
    made = make(operations, 3)
    token = claims.new_token()
    claim = partial(claims.claim, engine, ids(made), worker_id="w", types=["noop"], token=token, asked_at=0.0)
    assert end_sessions()
    assert len(claim().mine) == 3
    for each in (
        lambda: claims.claimed_by(engine, ids(made), token),
        lambda: claims.hand_back(engine, [(ids(made)[0], token)]),
        lambda: claims.finish(engine, [succeeded(ids(made)[1], token, "1")]),
        lambda: workers.heartbeat(engine, "w", queue="default", slots=1),
        lambda: workers.known(engine),
        lambda: repairs.rescue(engine, repairs.Silent(), limit=10),
        lambda: repairs.types_due(engine, until=made[0].execute_at),
        lambda: counters.add(engine, {Counter.FENCED: 1}),
        lambda: counters.totals(engine),
        lambda: server.clock(engine),
        lambda: server.check_writes(engine),
        lambda: statistics.punctuality(engine),
        lambda: list_tasks(engine, Filter(), limit=10),
        lambda: keys.valid(engine),
        lambda: workers.retire(engine, "w"),
    ):
        assert end_sessions()
        each()
    assert tasks.get(engine, ids(made)[1]).state is TaskState.SUCCEEDED


@pytest.fixture
def alone(settings: Settings) -> Iterator[Engine]:
    """An engine with one session."""
    made = connect_postgres(settings, name="alone", pool=1)
    server.clock(made)
    yield made
    made.dispose()


@pytest.fixture
def _unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the check of sessions, so that only a statement finds that a session has ended."""
    monkeypatch.setattr(Sessions, "_is_usable", lambda self, session, _: session.generation == self._generation)


@pytest.mark.usefixtures("_unnoticed")
def test_reads_and_idempotent_statements_are_repeated_when_a_session_ends_at_their_beginning(
    engine: Engine, operations: Operations, end_sessions: EndSessions
) -> None:
    first, second = make(operations, 2)
    end_sessions()
    assert tasks.get(engine, first.id).state is TaskState.SCHEDULED
    end_sessions()
    assert len(list_tasks(engine, Filter(), limit=10).tasks) == 2
    end_sessions()
    assert tasks.delete(engine, first.id).state is TaskState.DELETED
    end_sessions()
    assert tasks.cancel(engine, second.id).state is TaskState.CANCELLED
    end_sessions()
    assert len(make(operations, 3)) == 3


@pytest.mark.usefixtures("_unnoticed")
def test_a_claim_of_an_outside_worker_says_that_its_result_is_unknown(
    client: FlaskClient, end_sessions: EndSessions
) -> None:
    """The thread of the counter buffer may get the ended session first, so the claim may need several tries."""
    for _ in range(50):
        create(client, type="outside", execute_at=PAST)
        end_sessions()
        refused = client.post("/tasks/claim", json={"worker_id": "w"})
        if refused.status_code == 503:
            break
    assert "may have taken effect" in body(refused)["detail"]
    assert client.post("/tasks/claim", json={"worker_id": "w"}).status_code in {200, 204}


@pytest.mark.usefixtures("_unnoticed")
def test_a_worker_claims_again_at_once_when_a_session_ends_during_its_claim(
    alone: Engine, due_set: DueSet, types: TaskTypes, operations: Operations, end_sessions: EndSessions
) -> None:
    parts = Parts(alone, due_set, types)
    made = make(operations, 2)
    end_sessions()
    with pytest.raises(LedgerUnavailable):
        parts.receive("noop", ids(made))
    assert parts.claimer.step(0)
    assert {each.id for each in parts.pool.ran} == set(ids(made))
    parts.unresolved.resolve()
    assert parts.handed_back.claims == []


def test_a_claim_that_won_without_an_answer_is_not_run_when_it_is_claimed_again(
    engine: Engine, due_set: DueSet, types: TaskTypes, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, made, really_claim = Parts(engine, due_set, types), make(operations, 2), claims.claim

    def committed_but_unanswered(*arguments: Any, **options: Any) -> None:
        monkeypatch.undo()
        really_claim(*arguments, **options)
        raise LedgerUnavailable

    monkeypatch.setattr(claims, "claim", committed_but_unanswered)
    with pytest.raises(LedgerUnavailable):
        parts.receive("noop", ids(made))
    assert parts.claimer.step(0)
    assert parts.pool.ran == []
    parts.unresolved.resolve()
    assert {each.id for each in parts.handed_back.claims} == set(ids(made))


def test_a_claim_that_was_certainly_not_executed_needs_no_resolution(
    engine: Engine, due_set: DueSet, types: TaskTypes, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, made = Parts(engine, due_set, types), make(operations, 2)

    def refused(*_: Any, **__: Any) -> None:
        monkeypatch.undo()
        raise LedgerUnchanged

    monkeypatch.setattr(claims, "claim", refused)
    with pytest.raises(LedgerUnchanged):
        parts.receive("noop", ids(made))
    assert parts.claimer.step(0)
    assert {each.id for each in parts.pool.ran} == set(ids(made))
    assert parts.counters.pending() == {}


def test_statements_that_may_not_be_repeated_are_marked() -> None:
    once = {each.stem for each in SQL.glob("*.sql") if effect(each.stem) is Effect.ONCE}
    assert once == {
        "add_to_counters", "claim", "hand_back", "key_create", "lease_due", "lease_one", "purge_deleted", "purge_tasks",
        "purge_workers", "rescue",
    }  # fmt: skip
    reads = {each.stem for each in SQL.glob("*.sql") if effect(each.stem) is Effect.READ}
    assert reads >= {"get", "next", "waiting", "claimed_by", "clock", "lost", "session", "due_between"}
    assert not reads & {"insert", "finish", "heartbeat", "delete", "cancel"}


def test_a_batch_of_which_one_task_cannot_be_stored_says_so_for_that_task_alone(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = new_task(), new_task(max_attempts=-1)
    really_insert = tasks.insert

    def insert(engine: Engine, new: Any, **options: Any) -> Any:
        if len(new) == 1 and new[0] is bad:
            raise LedgerUnchanged
        return really_insert(engine, new, **options)

    monkeypatch.setattr(tasks, "insert", insert)
    stored, refused = operations.create([good, bad])
    assert getattr(stored, "id", None) is not None
    assert isinstance(refused, LedgerUnchanged)
