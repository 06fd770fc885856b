"""A Postgres that is read-only for a while, as in a failover: sessions opened meanwhile are replaced afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from app.connections import connect_postgres
from app.errors import LedgerReadOnly
from app.ledger import claims, counters, tasks, workers
from app.ledger.counters import Counter
from app.outcome import succeeded
from app.task import TaskState
from tests.integration.api_calls import PAST, body, create, lease, problem
from tests.integration.sessions.conftest import alter
from tests.making import ids, make

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

    from app.config import Settings
    from app.operations import Operations
    from tests.integration.sessions.conftest import Defaults

READ_ONLY = "default_transaction_read_only"
TASK = {"type": "foo", "execute_at": PAST}
WRITES: dict[str, Callable[[FlaskClient, dict[str, Any]], Any]] = {
    "create": lambda client, _: client.post("/tasks", json=TASK),
    "create a batch": lambda client, _: client.post("/tasks/batch", json={"tasks": [TASK]}),
    "delete": lambda client, task: client.delete(f"/tasks/{task['id']}"),
    "claim": lambda client, _: client.post("/tasks/claim", json={"worker_id": "w"}),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_request_that_cannot_write_says_that_nothing_was_done_and_succeeds_once_new_sessions_can(
    name: str, client: FlaskClient, owner: Engine, defaults: Defaults
) -> None:
    task = create(client)
    create(client, type="outside", execute_at=PAST)
    with defaults(**{READ_ONLY: "on"}):
        refused = WRITES[name](client, task)
        problem(refused, 503, "ledger-away")
        assert body(refused)["detail"] == LedgerReadOnly.__doc__
        assert client.get(f"/tasks/{task['id']}").status_code == 200
        alter(owner, f"RESET {READ_ONLY}")  # the sessions that are open stay read-only
        answer = WRITES[name](client, task)
        assert answer.status_code < 300, answer.text


def test_a_process_whose_sessions_cannot_write_is_not_ready(
    client: FlaskClient, owner: Engine, defaults: Defaults
) -> None:
    with defaults(**{READ_ONLY: "on"}):
        assert problem(client.get("/ready"), 503, "not-ready") == {"postgres": "is read-only"}
        assert client.get("/health").status_code == 200
        alter(owner, f"RESET {READ_ONLY}")
        assert body(client.get("/ready"))["status"] == "ready"


def test_a_lease_is_kept_and_completed_after_a_time_without_writes(
    client: FlaskClient, owner: Engine, defaults: Defaults
) -> None:
    held = lease(client)
    result = {"claim_token": held["claim_token"], "result": 1}
    with defaults(**{READ_ONLY: "on"}):
        problem(client.post(f"/tasks/{held['id']}/complete", json=result), 503, "ledger-away")
        alter(owner, f"RESET {READ_ONLY}")
        assert body(client.post(f"/tasks/{held['id']}/complete", json=result))["state"] == "succeeded"


def test_every_statement_that_writes_works_again_without_a_new_engine(
    engine: Engine, operations: Operations, owner: Engine, defaults: Defaults
) -> None:
    made, token = make(operations, 2), claims.new_token()
    first, second = ids(made)
    steps: list[Callable[[], object]] = [
        partial(claims.claim, engine, ids(made), worker_id="w", types=["noop"], token=token, asked_at=0.0),
        lambda: claims.hand_back(engine, [(first, token)]),
        lambda: claims.finish(engine, [succeeded(second, token, "1")]),
        lambda: workers.heartbeat(engine, "w", queue="default", slots=1),
        lambda: counters.add(engine, {Counter.FENCED: 1}),
        lambda: workers.retire(engine, "w"),
    ]
    for step in steps:
        with defaults(**{READ_ONLY: "on"}):
            for _ in range(3):
                with pytest.raises(LedgerReadOnly):
                    step()
            alter(owner, f"RESET {READ_ONLY}")
            step()
    assert [tasks.get(engine, each).state for each in (first, second)] == [TaskState.SCHEDULED, TaskState.SUCCEEDED]


def test_all_sessions_of_a_pool_are_replaced_after_one_of_them_could_not_write(
    settings: Settings, owner: Engine, defaults: Defaults
) -> None:
    engine = connect_postgres(settings, name="pool", pool=3)
    with defaults(**{READ_ONLY: "on"}):
        assert are_read_only(engine) == {"on"}
        alter(owner, f"RESET {READ_ONLY}")
        assert are_read_only(engine) == {"on"}
        workers.retire(engine, "nobody")
        assert are_read_only(engine) == {"off"}
    engine.dispose()


def are_read_only(engine: Engine) -> set[str]:
    """Return whether transactions of the three sessions of a pool are read-only."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(engine.connect()) for _ in range(3)]
        return {each.exec_driver_sql("SHOW transaction_read_only").scalar_one() for each in sessions}


def test_a_session_in_use_is_not_ended_when_another_one_could_not_write(
    engine: Engine, operations: Operations, owner: Engine, defaults: Defaults
) -> None:
    with defaults(**{READ_ONLY: "on"}), engine.connect() as in_use:
        assert in_use.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on"
        alter(owner, f"RESET {READ_ONLY}")
        make(operations)
        assert in_use.exec_driver_sql("SELECT 1").scalar_one() == 1
