"""A claim that is committed but whose answer is lost: the task is neither run without a claim nor lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import pytest

from app.connections import connect_postgres
from app.errors import LedgerUnavailable
from app.ledger import claims, tasks
from app.task import TaskState
from tests.acceptance.conditions import wait_until
from tests.faults.network import Network
from tests.integration.test_worker_parts import Parts
from tests.making import ids, make

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.config import Settings
    from app.operations import Operations
    from app.task import Task
    from app.task_types import TaskTypes

ROUTE = "worker-postgres"
TIMEOUT_S = 20.0


@pytest.fixture
def network(settings: Settings) -> Iterator[Network]:
    """The route from the worker to Postgres."""
    with Network({ROUTE: settings.database_url}) as made:
        yield made


@pytest.fixture
def remote(network: Network, settings: Settings) -> Iterator[Engine]:
    """The worker's engine, with one open connection through the route."""
    engine = connect_postgres(msgspec.structs.replace(settings, database_url=network.url(ROUTE)), name="worker", pool=1)
    assert claims.claimed_by(engine, [], claims.new_token()) == []
    yield engine
    engine.dispose()


@pytest.fixture
def parts(remote: Engine, due_set: DueSet, types: TaskTypes) -> Parts:
    """The parts of a worker that receive deliveries, on that engine."""
    return Parts(remote, due_set, types)


def test_tasks_of_a_claim_without_an_answer_are_handed_back_and_run_once(
    network: Network, parts: Parts, engine: Engine, operations: Operations
) -> None:
    made = make(operations, 2)
    errors: list[BaseException] = []

    def receive() -> None:
        try:
            parts.receive("noop", ids(made))
        except LedgerUnavailable as error:
            errors.append(error)

    network.become(ROUTE, "mute")
    worker = threading.Thread(target=receive)
    worker.start()
    wait_until(lambda: states(engine, made) == {TaskState.RUNNING}, TIMEOUT_S, "the claim is committed")
    assert worker.is_alive()
    network.become(ROUTE, "open")  # the answer stays lost: the connection is reset
    worker.join(TIMEOUT_S)
    assert errors
    assert parts.pool.ran == []

    parts.unresolved.resolve()
    handed_back = parts.handed_back.claims
    assert sorted(each.id for each in handed_back) == sorted(ids(made))
    claims.hand_back(engine, [(each.id, each.token) for each in handed_back])
    assert {(each.state, each.attempt) for each in now(engine, made)} == {(TaskState.SCHEDULED, 0)}
    parts.receive("noop", ids(made))
    parts.receive("noop", ids(made))
    assert sorted(each.id for each in parts.pool.ran) == sorted(ids(made))


def now(engine: Engine, made: list[Task]) -> list[Task]:
    """Return the current tasks."""
    return [tasks.get(engine, each.id) for each in made]


def states(engine: Engine, made: list[Task]) -> set[TaskState]:
    """Return the set of their states."""
    return {each.state for each in now(engine, made)}
