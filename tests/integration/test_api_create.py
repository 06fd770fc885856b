"""POST /tasks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from app.broker.keys import due_key
from tests.integration.api_calls import FUTURE, PAST, body, create, fields, problem, run
from tests.integration.conftest import drain_due_set_writer

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine


def test_a_created_task_is_returned_with_all_its_fields_and_stored(client: FlaskClient) -> None:
    answer = client.post(
        "/tasks",
        json={"type": "Noop", "execute_at": "2100-01-01T00:00:00.000001+01:00", "payload": {"a": [1, "é"]}},
    )
    task = body(answer)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/tasks/{task['id']}"
    assert UUID(task["id"]).version == 7
    assert task.pop("task_id") == task["id"]
    assert task["type"] == "noop"
    assert task["state"] == "scheduled"
    assert task["execute_at"] == "2099-12-31T23:00:00.000001Z"
    assert task["payload"] == {"a": [1, "é"]}
    assert (task["timeout_s"], task["attempt"], task["max_attempts"]) == (5.0, 0, 1)
    assert body(client.get(answer.headers["Location"])) == task


def test_limits_default_to_those_of_the_type(client: FlaskClient) -> None:
    assert create(client, type="buzz")["timeout_s"] == 10
    assert create(client, type="whoami")["max_attempts"] == 3
    given = create(client, type="buzz", timeout_s=86400, max_attempts=100)
    assert (given["timeout_s"], given["max_attempts"]) == (86400, 100)


def test_a_time_in_the_past_is_accepted(client: FlaskClient) -> None:
    assert create(client, execute_at=PAST)["execute_at"] == PAST


def test_a_delay_counts_from_now(client: FlaskClient) -> None:
    task = create(client, delay_s=60.5)
    delay = datetime.fromisoformat(task["execute_at"]) - datetime.fromisoformat(task["created_at"])
    assert abs(delay - timedelta(seconds=60.5)) < timedelta(seconds=1)


def test_a_task_due_soon_is_in_the_due_set(client: FlaskClient, web: Flask, redis: Redis) -> None:
    soon, _later = create(client, delay_s=10), create(client)
    drain_due_set_writer(web)
    assert redis.zrange(due_key("foo"), 0, -1) == [soon["id"].encode()]


def test_every_wrong_field_is_named_in_one_answer(client: FlaskClient) -> None:
    wrong = {"type": "nope", "execute_at": "soon", "timeout_s": 0, "max_attempts": 101, "payload": [1], "colour": 1}
    details = problem(client.post("/tasks", json=wrong), 422, "invalid-input")
    assert set(details["fields"]) == set(wrong)
    assert "foo" in details["allowed"]["type"]


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("type", {"type": None}),
    ("type", {"type": 1}),
    ("type", {"type": ""}),
    ("type", {"type": " foo"}),
    ("type", {"type": "foo\ud800"[:3] + "x"}),
    ("execute_at", {"execute_at": 1900000000}),
    ("execute_at", {"execute_at": None}),
    ("execute_at", {"execute_at": "2030-01-01T00:00:00"}),
    ("execute_at", {"execute_at": "0001-01-01T00:00:00+14:00"}),
    ("execute_at", {"execute_at": "9999-12-31T23:59:59-14:00"}),
    ("execute_at", {"execute_at": "2030-06-30T23:59:60Z"}),
    ("execute_at", {"execute_at": "2030-06-30T24:00:00Z"}),
    ("execute_at", {"execute_at": FUTURE, "delay_s": 1}),
    ("delay_s", {"execute_at": ..., "delay_s": -0.001}),
    ("delay_s", {"execute_at": ..., "delay_s": 1e9}),
    ("delay_s", {"execute_at": ..., "delay_s": "60"}),
    ("delay_s", {"execute_at": ..., "delay_s": True}),
    ("payload", {"payload": [{}]}),
    ("payload", {"payload": "text"}),
    ("payload", {"payload": {"a": "x" * 65536}}),
    ("timeout_s", {"timeout_s": 0}),
    ("timeout_s", {"timeout_s": -1}),
    ("timeout_s", {"timeout_s": 86400.001}),
    ("timeout_s", {"timeout_s": "5"}),
    ("timeout_s", {"timeout_s": False}),
    ("max_attempts", {"max_attempts": 0}),
    ("max_attempts", {"max_attempts": 101}),
    ("max_attempts", {"max_attempts": 1.5}),
    ("max_attempts", {"max_attempts": 2**63}),
    ("max_attempts", {"max_attempts": True}),
    ("state", {"state": "running"}),
    ("id", {"id": "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11"}),
    ("Type", {"Type": "foo"}),
    ("x" * 100, {"x" * 5000: 1}),
]


@pytest.mark.parametrize(("field", "given"), WRONG)
def test_a_wrong_field_is_refused_by_name(
    client: FlaskClient, engine: Engine, field: str, given: dict[str, Any]
) -> None:
    request = {"type": "foo", "execute_at": FUTURE} | given
    answer = client.post("/tasks", json={name: value for name, value in request.items() if value is not ...})
    assert list(fields(answer)) == [field]
    assert run(engine, "SELECT count(*) FROM tasks") == 0


def test_a_time_is_required(client: FlaskClient) -> None:
    assert list(fields(client.post("/tasks", json={"type": "foo"}))) == ["execute_at"]


def test_the_payload_is_checked_against_its_type(client: FlaskClient) -> None:
    request = {"type": "nap", "execute_at": FUTURE, "payload": {"seconds": "long", "mood": 1}}
    assert set(fields(client.post("/tasks", json=request))) == {"payload.seconds", "payload.mood"}


def test_a_payload_just_within_its_limit_is_stored_unchanged(client: FlaskClient) -> None:
    payload = {"a": "x" * (65536 - len('{"a":""}'))}
    assert body(client.get(f"/tasks/{create(client, type='noop', payload=payload)['id']}"))["payload"] == payload


def test_numbers_and_texts_are_returned_unchanged(client: FlaskClient) -> None:
    payload = {"big": 2**64 - 1, "small": -(2**63), "tiny": 5e-324, "huge": 1.7e308, "text": "\U0001f600\u007f\u2028"}
    assert body(client.get(f"/tasks/{create(client, type='noop', payload=payload)['id']}"))["payload"] == payload


def test_parameters_are_refused(client: FlaskClient) -> None:
    assert list(fields(client.post("/tasks?dry_run=1", json={"type": "foo", "delay_s": 1}))) == ["dry_run"]
