"""POST /tasks/batch: all tasks are created, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from app.api.resources.tasks import READERS
from app.api.shapes import MAX_BATCH
from app.broker.keys import due_key
from app.ledger import statements, tasks as ledger
from app.ledger.calls import call
from tests.integration.api_calls import FUTURE, PAST, body, fields, problem, run
from tests.integration.conftest import drain_due_set_writer

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Connection, Engine
    from werkzeug.test import TestResponse

    from app.ledger.calls import Effect
    from app.task import NewTask

FOO = {"type": "foo", "execute_at": FUTURE}


def post(client: FlaskClient, *tasks: Any) -> TestResponse:
    return client.post("/tasks/batch", json={"tasks": list(tasks)})


def count(engine: Engine) -> int:
    return int(run(engine, "SELECT count(*) FROM tasks"))


def test_all_are_created_and_their_ids_returned_in_order(client: FlaskClient, engine: Engine) -> None:
    answer = post(
        client,
        {"type": "Noop", "execute_at": "2100-01-01T00:00:00.000001+01:00", "payload": {"a": [1, "é", 1e300, None]}},
        {"type": "buzz", "delay_s": 3600, "timeout_s": 7, "max_attempts": 3},
        {"kind": "FOO", "send_ts": PAST},
    )
    reply = body(answer)
    assert (answer.status_code, reply["count"], len(reply["ids"])) == (201, 3, 3)
    assert {UUID(each).version for each in reply["ids"]} == {7}
    first, second, third = (body(client.get(f"/tasks/{each}")) for each in reply["ids"])
    assert (first["type"], first["execute_at"]) == ("noop", "2099-12-31T23:00:00.000001Z")
    assert first["payload"] == {"a": [1, "é", 1e300, None]}
    assert (second["type"], second["timeout_s"], second["max_attempts"]) == ("buzz", 7, 3)
    assert second["created_at"] < second["execute_at"]
    assert (third["type"], third["execute_at"], third["payload"], third["state"]) == ("foo", PAST, {}, "scheduled")
    assert count(engine) == 3


def test_a_task_of_a_batch_equals_a_task_created_alone(client: FlaskClient) -> None:
    task = {"type": "whoami", "execute_at": FUTURE, "payload": {"n": 2**63}}
    single = body(client.post("/tasks", json=task))
    among_many = body(client.get(f"/tasks/{body(post(client, task))['ids'][0]}"))
    own = {"id", "task_id", "created_at"}
    assert {key: among_many[key] for key in among_many.keys() - own} == {
        key: single[key] for key in single.keys() - own
    }


def test_a_batch_is_accepted_up_to_its_limit_and_refused_beyond_it(client: FlaskClient, engine: Engine) -> None:
    assert body(post(client, *[FOO] * MAX_BATCH))["count"] == MAX_BATCH
    assert fields(post(client, *[FOO] * (MAX_BATCH + 1))).keys() == {"tasks"}
    assert fields(post(client)).keys() == {"tasks"}
    assert count(engine) == MAX_BATCH


def test_every_invalid_index_is_named_and_nothing_is_created(client: FlaskClient, engine: Engine) -> None:
    answer = post(
        client, FOO, {"type": "nothing", "execute_at": FUTURE}, {"type": "foo"}, {**FOO, "extra": 1},
        {"kind": "foo", "time": "tomorrow"}, {**FOO, "delay_s": 1}, {**FOO, "kind": "bar"}, FOO,
    )  # fmt: skip
    details = problem(answer, 422, "invalid-input")
    assert set(details["fields"]) == {
        "tasks[1].type", "tasks[2].execute_at", "tasks[3].extra", "tasks[4].time", "tasks[5].execute_at",
        "tasks[6].type",
    }  # fmt: skip
    assert "foo" in details["allowed"]["tasks[1].type"]
    assert count(engine) == 0


@pytest.mark.parametrize(
    "sent",
    [
        "[]",
        '{"tasks": {}}',
        '{"tasks": null}',
        "{}",
        '{"tasks": [], "more": 1}',
        '{"tasks": [null]}',
        '{"tasks": [[]]}',
    ],
)
def test_a_body_without_a_list_of_tasks_is_refused(client: FlaskClient, sent: str) -> None:
    assert fields(client.post("/tasks/batch", data=sent, content_type="application/json"))


def test_the_json_of_a_batch_is_read_strictly(client: FlaskClient, engine: Engine) -> None:
    twice = '{"tasks": [{"type": "foo", "type": "bar", "delay_s": 1}]}'
    assert set(fields(client.post("/tasks/batch", data=twice, content_type="application/json"))) == {"tasks[0].type"}
    nul = '{"tasks": [{"type": "foo", "delay_s": 1, "payload": {"a": "\\u0000"}}]}'
    assert fields(client.post("/tasks/batch", data=nul, content_type="application/json"))
    assert count(engine) == 0


def test_a_row_that_postgres_refuses_fails_the_whole_batch(
    client: FlaskClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = ledger.insert

    def one_is_unsound(engine: Engine, new: list[NewTask], **options: Any) -> Any:
        unsound = [msgspec.structs.replace(each, timeout_s=-each.timeout_s) for each in new[:1]]
        return sound(engine, unsound + new[1:], **options)

    monkeypatch.setattr(ledger, "insert", one_is_unsound)
    problem(post(client, FOO, {**FOO, "type": "buzz"}), 422, "invalid-input")
    assert count(engine) == 0


def test_a_lost_answer_of_postgres_creates_nothing_twice(
    client: FlaskClient, web: Flask, engine: Engine, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False])

    def lost_once(engine: Engine, act: Callable[[Connection], Any], effect: Effect) -> Any:
        def act_and_lose(connection: Connection) -> Any:
            kept = act(connection)
            if next(answers, True):
                return kept
            raise psycopg.OperationalError("the connection was lost after the commit")

        return call(engine, act_and_lose, effect)

    monkeypatch.setattr(statements, "call", lost_once)
    reply = body(post(client, {"type": "foo", "delay_s": 20}, {"type": "foo", "delay_s": 10}))
    assert count(engine) == 2
    drain_due_set_writer(web)
    assert redis.zrange(due_key("foo"), 0, -1) == [each.encode() for each in reversed(reply["ids"])]


def test_a_task_due_soon_is_in_the_due_set(client: FlaskClient, web: Flask, redis: Redis) -> None:
    reply = body(post(client, {"type": "foo", "delay_s": 10}, FOO, {"type": "outside", "delay_s": 1}))
    drain_due_set_writer(web)
    assert redis.zrange(due_key("foo"), 0, -1) == [reply["ids"][0].encode()]
    assert not redis.exists(due_key("outside"))


def test_a_body_that_would_take_seconds_to_parse_is_refused(client: FlaskClient) -> None:
    nested = b'{"tasks": [{"type": "noop", "delay_s": 1, "payload": {"a": [' + b"[]," * 1_000_000 + b"0]}}]}"
    assert set(fields(client.post("/tasks/batch", data=nested, content_type="application/json"))) == {"body"}


def test_a_batch_that_would_wait_too_long_for_parsing_is_refused(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.resources.tasks.MAX_TURN_S", 0.01)
    with READERS, READERS:
        refused = post(client, FOO)
    problem(refused, 503, "too-busy")
    assert refused.headers["Retry-After"]
    assert post(client, FOO).status_code == 201


def test_a_body_of_several_megabytes_is_accepted_and_one_beyond_the_limit_refused(client: FlaskClient) -> None:
    large = {**FOO, "payload": {"text": "x" * 60_000}}
    assert body(post(client, *[large] * 100))["count"] == 100
    problem(post(client, *[large] * 150), 413, "body-too-large")
