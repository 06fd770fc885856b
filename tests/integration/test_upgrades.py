"""Processes of the previous release work on the schema of this one, beside processes of this one.

The previous release is its recorded statements (tests/upgrades), with the parameters that it sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import make_url

from app.ledger import claims, repairs, tasks, workers
from app.ledger.server import needed_version
from app.outcome import succeeded
from app.task import TaskState
from tests.making import ids, make
from tests.upgrades.contract import FOLDER, Statement, numbered, recorded, result_types

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from app.config import Settings
    from app.operations import Operations

RELEASES = sorted(FOLDER.glob("[0-9]*.sql"))
PREVIOUS = [each for each in RELEASES if each.stem <= needed_version()]
STATEMENTS = [(file.stem, each) for file in RELEASES for each in recorded(file).values()]


class OldRelease:
    """A web process and a worker of the previous release, as far as Postgres sees them."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]], file: Path) -> None:
        self._connection = connection
        self._statements = recorded(file)

    def run(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        cursor = self._connection.execute(self._statements[name].text.encode(), parameters)
        return cursor.fetchall() if cursor.description else []

    def create(self, **fields: Any) -> str:
        new = {"id": str(uuid4()), "type": "noop", "execute_at": "2020-01-01T00:00:00Z", "payload": {"a": 1},
               "timeout_s": 5.0, "max_attempts": 1, **fields}  # fmt: skip
        (kept,) = self.run("insert", tasks=json.dumps([new]), answered=None)
        return str(kept["id"])

    def claim(self, task_id: str, *, token: str, worker_id: str = "old") -> list[dict[str, Any]]:
        return self.run("claim", ids=[task_id], types=["noop"], token=token, worker_id=worker_id)

    def finish(self, task_id: str, *, token: str, state: str = "succeeded", retry_in_s: float | None = None) -> int:
        written = self.run("finish", ids=[task_id], tokens=[token], states=[state], results=['{"ok": true}'],
                           errors=[None], retries_in_s=[retry_in_s])  # fmt: skip
        return int(written[0]["written"])


@pytest.fixture
def connection(settings: Settings, engine: Engine) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection of the processes' role, on empty tables."""
    url = make_url(settings.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as made:
        yield made


@pytest.fixture(params=PREVIOUS, ids=lambda file: file.stem)
def old(connection: psycopg.Connection[dict[str, Any]], request: pytest.FixtureRequest) -> OldRelease:
    return OldRelease(connection, request.param)


def test_a_release_is_recorded() -> None:
    assert PREVIOUS, "python -m tests.upgrades"


@pytest.mark.parametrize(("release", "statement"), STATEMENTS, ids=lambda each: getattr(each, "name", each))
def test_a_statement_of_an_earlier_release_is_valid_on_this_schema(
    connection: psycopg.Connection[tuple[object, ...]], release: str, statement: Statement
) -> None:
    connection.row_factory = psycopg.rows.tuple_row
    found = as_read(result_types(connection, statement.text))
    assert found == as_read(statement.types), "the release reads other types"
    connection.execute(f"EXPLAIN (GENERIC_PLAN) {numbered(statement.text)}".encode())  # checks rights, too


def as_read(types: str) -> str:
    """Return the types as drivers tell them apart: `jsonb` is read like `json`."""
    return types.replace("jsonb", "json")


def test_a_task_of_an_old_web_process_runs_in_a_new_worker(old: OldRelease, engine: Engine) -> None:
    task_id, token = old.create(max_attempts=3), claims.new_token()
    (mine,) = claims.claim(engine, [task_id], worker_id="new", types=["noop"], token=token, asked_at=0.0).mine
    assert json.loads(mine.payload) == {"a": 1}
    assert claims.finish(engine, [succeeded(task_id, token, '{"ok": true}')]).fenced == []
    (shown,) = old.run("get", id=task_id)
    assert (shown["state"], shown["attempt"], shown["result"]) == ("succeeded", 1, {"ok": True})


def test_a_task_of_a_new_web_process_runs_in_an_old_worker(
    old: OldRelease, engine: Engine, operations: Operations
) -> None:
    (task,), token = make(operations, max_attempts=2), claims.new_token()
    (task_id,) = ids([task])
    old.run("heartbeat", id="old", queue="default", slots=4)
    (won,) = old.claim(task_id, token=token)
    assert (won["id"], won["attempt"]) == (task_id, 1)
    assert old.finish(task_id, token=token, state="scheduled", retry_in_s=0.0) == 1
    assert tasks.get(engine, task_id).state is TaskState.SCHEDULED
    assert old.claim(task_id, token=token)
    assert old.finish(task_id, token=token) == 1
    assert tasks.get(engine, task_id).state is TaskState.SUCCEEDED
    assert {row.id for row in workers.known(engine)} == {"old"}


def test_an_old_and_a_new_worker_never_both_win_a_task(old: OldRelease, engine: Engine) -> None:
    first, second = old.create(), old.create()
    assert old.claim(first, token=claims.new_token())
    won = claims.claim(engine, [first, second], worker_id="new", types=["noop"], token=claims.new_token(), asked_at=0.0)
    assert [each.id for each in won.mine] == [second]
    assert old.claim(second, token=claims.new_token()) == []


def test_a_new_sweeper_leaves_a_living_old_worker_alone_and_rescues_a_dead_one(old: OldRelease, engine: Engine) -> None:
    task_id, token = old.create(), claims.new_token()
    old.run("heartbeat", id="old", queue="default", slots=4)
    old.claim(task_id, token=token)
    assert repairs.rescue(engine, repairs.Silent(), limit=10) == []
    old.run("retire_worker", id="old")
    assert [each.id for each in repairs.rescue(engine, repairs.Silent(), limit=10)] == [task_id]
    assert old.finish(task_id, token=token) == 0, "a late outcome is fenced"


def test_an_old_worker_hands_back_and_an_old_web_process_deletes(old: OldRelease, engine: Engine) -> None:
    task_id, token = old.create(), claims.new_token()
    old.claim(task_id, token=token)
    assert [each["id"] for each in old.run("hand_back", ids=[task_id], tokens=[token])] == [task_id]
    assert old.run("delete", id=task_id)
    assert tasks.get(engine, task_id).state is TaskState.DELETED
