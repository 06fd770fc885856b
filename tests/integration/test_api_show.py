"""GET /tasks/{id}."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.api_calls import FUTURE, PAST, UNKNOWN_ID, body, create, fields, lease, problem

if TYPE_CHECKING:
    from flask.testing import FlaskClient


def test_a_task_is_shown(client: FlaskClient) -> None:
    task = create(client)
    task.pop("task_id")
    assert body(client.get(f"/tasks/{task['id']}")) == task
    assert body(client.get(f"/tasks/{task['id'].upper()}")) == task


def test_a_running_task_shows_its_worker_start_and_lag(client: FlaskClient) -> None:
    task = body(client.get(f"/tasks/{lease(client)['id']}"))
    assert (task["state"], task["worker_id"], task["attempt"]) == ("running", "w", 1)
    assert task["started_at"].endswith("Z")
    assert task["lag_ms"] > 1000
    assert "claim_token" not in task


def test_no_such_task_is_a_404(client: FlaskClient) -> None:
    problem(client.get(f"/tasks/{UNKNOWN_ID}"), 404, "task-not-found")


def test_a_deleted_task_is_a_404_with_its_instant_of_deletion(client: FlaskClient) -> None:
    task = create(client)
    deleted = body(client.delete(f"/tasks/{task['id']}"))
    details = problem(client.get(f"/tasks/{task['id']}"), 404, "task-deleted")
    assert details == {"deleted_at": deleted["deleted_at"]}


def test_a_wait_that_times_out_returns_the_task_as_it_is(client: FlaskClient) -> None:
    task = create(client, execute_at=FUTURE)
    assert body(client.get(f"/tasks/{task['id']}?wait_s=0.05"))["state"] == "scheduled"


def test_a_final_task_is_returned_without_a_wait(client: FlaskClient) -> None:
    held = lease(client)
    client.post(f"/tasks/{held['id']}/fail", json={"claim_token": held["claim_token"], "error": "no"})
    assert body(client.get(f"/tasks/{held['id']}?wait_s=30"))["state"] == "failed"


@pytest.mark.parametrize("wait", ["-1", "31", "x", "%20", "nan", "1e2", "1&wait_s=2"])
def test_a_wait_out_of_bounds_is_refused(client: FlaskClient, wait: str) -> None:
    task = create(client, execute_at=PAST)
    assert list(fields(client.get(f"/tasks/{task['id']}?wait_s={wait}"))) == ["wait_s"]


def test_an_unknown_parameter_is_refused(client: FlaskClient) -> None:
    assert list(fields(client.get(f"/tasks/{create(client)['id']}?wait=1"))) == ["wait"]
