"""DELETE /tasks/{id}."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.broker.keys import due_key
from tests.integration.api_calls import UNKNOWN_ID, body, create, fields, lease, problem, run
from tests.integration.conftest import drain_due_set_writer

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine


def test_a_scheduled_task_is_deleted_and_a_second_time_answers_the_same(client: FlaskClient) -> None:
    task = create(client)
    first, second = (client.delete(f"/tasks/{task['id']}") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert body(first)["state"] == "deleted"
    assert body(first) == body(second)


def test_a_deleted_task_leaves_the_due_set(client: FlaskClient, web: Flask, redis: Redis) -> None:
    task = create(client, delay_s=60)
    drain_due_set_writer(web)
    assert redis.zcard(due_key("foo")) == 1
    client.delete(f"/tasks/{task['id']}")
    drain_due_set_writer(web)
    assert redis.zcard(due_key("foo")) == 0


@pytest.mark.parametrize("prefer", ["return=minimal", "Return=Minimal", "respond-async, return=minimal"])
def test_a_minimal_answer_has_no_body(client: FlaskClient, prefer: str) -> None:
    answer = client.delete(f"/tasks/{create(client)['id']}", headers={"Prefer": prefer})
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Preference-Applied"] == "return=minimal"
    assert "Content-Type" not in answer.headers


def test_any_other_preference_gets_the_task(client: FlaskClient) -> None:
    answer = client.delete(f"/tasks/{create(client)['id']}", headers={"Prefer": "return=representation"})
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers


def test_no_such_task_is_a_404(client: FlaskClient) -> None:
    problem(client.delete(f"/tasks/{UNKNOWN_ID}"), 404, "task-not-found")


def test_a_running_task_is_not_deleted(client: FlaskClient) -> None:
    details = problem(client.delete(f"/tasks/{lease(client)['id']}"), 409, "task-not-deletable")
    assert details == {"state": "running", "attempt": 1}


def test_a_task_that_has_run_is_not_deleted(client: FlaskClient) -> None:
    held = lease(client)
    client.post(f"/tasks/{held['id']}/complete", json={"claim_token": held["claim_token"]})
    details = problem(client.delete(f"/tasks/{held['id']}"), 409, "task-not-deletable")
    assert details["state"] == "succeeded"


def test_a_task_between_two_attempts_is_not_deleted(client: FlaskClient, engine: Engine) -> None:
    held = lease(client, max_attempts=2)
    client.post(f"/tasks/{held['id']}/fail", json={"claim_token": held["claim_token"], "error": "no"})
    details = problem(client.delete(f"/tasks/{held['id']}"), 409, "task-not-deletable")
    assert details == {"state": "scheduled", "attempt": 1}
    assert run(engine, "SELECT deleted_at FROM tasks") is None


def test_parameters_are_refused(client: FlaskClient) -> None:
    task = create(client)
    assert list(fields(client.delete(f"/tasks/{task['id']}?force=1"))) == ["force"]
    assert client.get(f"/tasks/{task['id']}").status_code == 200
