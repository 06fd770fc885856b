"""Names of fields, filters and states in five earlier systems, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.api.reading.aliases import FIELDS, FILTERS, STATES
from tests.integration.api_calls import FUTURE, PAST, body, create, fields, lease, problem

if TYPE_CHECKING:
    from flask.testing import FlaskClient


@pytest.mark.parametrize(("method", "path"), [("POST", "/task"), ("PUT", "/task"), ("PUT", "/tasks")])
def test_a_task_is_created_under_an_old_path_or_method(client: FlaskClient, method: str, path: str) -> None:
    answer = client.open(path, method=method, json={"type": "foo", "execute_at": FUTURE})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/tasks/{body(answer)['id']}"


@pytest.mark.parametrize(("old", "new"), FIELDS.items())
def test_a_task_is_created_with_an_old_field(client: FlaskClient, old: str, new: str) -> None:
    request = {"type": "foo", "execute_at": FUTURE}
    request[old] = request.pop(new)
    task = body(client.post("/tasks", json=request))
    assert (task["type"], task["execute_at"]) == ("foo", FUTURE)
    assert old not in task


def test_a_payload_keeps_its_own_names(client: FlaskClient) -> None:
    assert create(client, type="noop", payload={"kind": 1, "time": 2})["payload"] == {"kind": 1, "time": 2}


def test_everything_under_tasks_is_under_task_too(client: FlaskClient) -> None:
    task = create(client, type="outside", execute_at=PAST)
    assert body(client.get("/task"))["count"] == 1
    assert body(client.get("/task/next"))["id"] == task["id"]
    assert body(client.get(f"/task/{task['id']}"))["id"] == task["id"]
    held = body(client.post("/task/claim", json={"worker_id": "w", "kind": "outside"}))
    answer = client.post(f"/task/{held['id']}/release", json={"claim_token": held["claim_token"]})
    assert body(answer)["state"] == "scheduled"
    assert body(client.delete(f"/task/{task['id']}"))["state"] == "deleted"


@pytest.mark.parametrize(("old", "new"), FILTERS.items())
def test_a_list_is_filtered_by_an_old_name(client: FlaskClient, old: str, new: str) -> None:
    wanted, _other = lease(client)["id"], create(client)["id"]
    value = {"type": "outside", "state": "running"}[new]
    assert [task["id"] for task in body(client.get(f"/tasks?{old}={value}"))["tasks"]] == [wanted]


def test_a_list_is_filtered_by_one_combined_parameter(client: FlaskClient) -> None:
    wanted, _other = lease(client)["id"], create(client)["id"]
    for query in ("filter=status:InProgress", "filter=kind:Outside", "filter=status:running&filter=kind:outside"):
        assert [task["id"] for task in body(client.get(f"/tasks?{query}"))["tasks"]] == [wanted]


@pytest.mark.parametrize("word", [*STATES, "Pending", "InProgress", "Completed"])
def test_an_old_word_for_a_state_is_understood(client: FlaskClient, word: str) -> None:
    assert body(client.get(f"/tasks?status={word}")) == body(client.get(f"/tasks?state={STATES[word.lower()]}"))


def test_names_that_disagree_are_refused(client: FlaskClient) -> None:
    request = {"kind": "bar", "type": "foo", "execute_at": FUTURE}
    assert list(fields(client.post("/tasks", json=request))) == ["type"]
    assert list(fields(client.get("/tasks?state=running&status=done"))) == ["status"]


def test_errors_use_the_names_of_the_request(client: FlaskClient) -> None:
    request = {"kind": "nope", "send_ts": "soon", "timeout_s": 0}
    details = problem(client.post("/tasks", json=request), 422, "invalid-input")
    assert set(details["fields"]) == set(request)
    assert set(details["allowed"]) == {"kind"}
    assert list(fields(client.get("/tasks?filters.status=asleep"))) == ["filters.status"]
    assert list(fields(client.get("/tasks?filter=status:asleep"))) == ["filter"]
    assert list(fields(client.get("/tasks?state=asleep&status=asleep"))) == ["state"]


def test_two_names_with_the_same_value_are_accepted(client: FlaskClient) -> None:
    request = {"type": "foo", "kind": "foo", "execute_at": FUTURE, "time": FUTURE}
    assert client.post("/tasks", json=request).status_code == 201


def test_old_names_are_not_in_the_document(client: FlaskClient) -> None:
    document = client.get("/openapi.json").text
    assert '"/task"' not in document
    assert '"put"' not in document
    assert not [name for name in {*FIELDS, "filters.type", "filters.status"} if f'"{name}"' in document]
