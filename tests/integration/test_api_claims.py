"""GET /tasks/next, POST /tasks/claim, and the calls that need a claim token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.ledger.repairs import Silent, rescue, running
from tests.integration.api_calls import FUTURE, PAST, UNKNOWN_ID, body, create, fields, lease, problem

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine
    from werkzeug.test import TestResponse

CALLS: dict[str, dict[str, Any]] = {"heartbeat": {}, "complete": {"result": 1}, "fail": {"error": "no"}, "release": {}}


def claim(client: FlaskClient, **given: Any) -> TestResponse:
    """Claim due tasks."""
    return client.post("/tasks/claim", json={"worker_id": "w"} | given)


def call_with_token(client: FlaskClient, held: dict[str, Any], call: str, **given: Any) -> TestResponse:
    """Make a call about a leased task with its claim token."""
    return client.post(f"/tasks/{held['id']}/{call}", json={"claim_token": held["claim_token"]} | given)


def test_next_is_the_earliest_scheduled_task_due_or_not(client: FlaskClient) -> None:
    assert client.get("/tasks/next").status_code == 204
    later, sooner = create(client, execute_at=FUTURE), create(client, type="bar", execute_at="2099-01-01T00:00:00Z")
    assert body(client.get("/tasks/next"))["id"] == sooner["id"]
    assert body(client.get("/tasks/next?type=FOO"))["id"] == later["id"]
    assert body(client.get(f"/tasks/{sooner['id']}"))["state"] == "scheduled"
    assert client.get("/tasks/next?type=baz").status_code == 204


@pytest.mark.parametrize(("query", "field"), [("type=nope", "type"), ("type=foo&type=bar", "type"), ("x=1", "x")])
def test_next_refuses_unknown_values_and_parameters(client: FlaskClient, query: str, field: str) -> None:
    assert list(fields(client.get(f"/tasks/next?{query}"))) == [field]


def test_the_task_due_earliest_is_claimed_with_a_token_and_a_lease(client: FlaskClient) -> None:
    second = create(client, type="outside", execute_at="2021-01-01T00:00:00Z")
    first = create(client, type="outside", execute_at=PAST, timeout_s=7)
    held = body(claim(client))
    assert held["id"] == first["id"]
    assert (held["state"], held["attempt"], held["worker_id"]) == ("running", 1, "w")
    assert held["claim_token"]
    held_for = datetime.fromisoformat(held["lease_expires_at"]) - datetime.fromisoformat(held["started_at"])
    assert abs(held_for - timedelta(seconds=14)) < timedelta(seconds=0.5)
    assert body(claim(client, type="OUTSIDE"))["id"] == second["id"]
    assert claim(client).status_code == 204


def test_with_a_limit_the_answer_is_a_list(client: FlaskClient) -> None:
    due = [create(client, type="outside", execute_at=f"202{n}-01-01T00:00:00Z")["id"] for n in range(3)]
    assert [task["id"] for task in body(claim(client, limit=2))["tasks"]] == due[:2]
    assert [task["id"] for task in body(claim(client, limit=1000))["tasks"]] == due[2:]
    assert claim(client, limit=1).status_code == 204


def test_tasks_that_are_not_due_or_not_external_are_not_claimed(client: FlaskClient) -> None:
    create(client, type="outside", execute_at=FUTURE)
    create(client, type="foo", execute_at=PAST)
    answer = claim(client, wait_s=0.05)
    assert (answer.status_code, answer.data) == (204, b"")


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("worker_id", {"worker_id": ""}),
        ("worker_id", {"worker_id": "x" * 201}),
        ("worker_id", {"worker_id": 1}),
        ("worker_id", {"worker_id": None}),
        ("type", {"type": "foo"}),
        ("type", {"type": "nope"}),
        ("type", {"type": ["outside"]}),
        ("wait_s", {"wait_s": -1}),
        ("wait_s", {"wait_s": 30.1}),
        ("limit", {"limit": 0}),
        ("limit", {"limit": 1001}),
        ("limit", {"limit": "1"}),
        ("wait", {"wait": 1}),
    ],
)
def test_a_claim_refuses_invalid_fields(client: FlaskClient, field: str, given: dict[str, Any]) -> None:
    create(client, type="outside", execute_at=PAST)
    assert list(fields(claim(client, **given))) == [field]
    assert body(client.get("/tasks/next"))["attempt"] == 0


def test_a_type_that_is_not_external_is_refused_with_a_list_of_those_that_are(client: FlaskClient) -> None:
    assert problem(claim(client, type="foo"), 422, "invalid-input")["allowed"] == {"type": ["outside"]}


def test_one_task_is_claimed_by_its_id(client: FlaskClient) -> None:
    task = create(client, type="outside", execute_at=PAST)
    held = body(client.post(f"/tasks/{task['id']}/claim", json={"worker_id": "me"}))
    assert (held["id"], held["worker_id"], held["state"]) == (task["id"], "me", "running")


@pytest.mark.parametrize(
    ("given", "state"),
    [({"execute_at": FUTURE, "type": "outside"}, "scheduled"), ({"execute_at": PAST, "type": "foo"}, "scheduled")],
)
def test_one_task_is_not_claimed_too_early_nor_from_our_own_workers(
    client: FlaskClient, given: dict[str, Any], state: str
) -> None:
    task = create(client, **given)
    answer = client.post(f"/tasks/{task['id']}/claim", json={"worker_id": "me"})
    assert problem(answer, 409, "task-not-claimable") == {"state": state, "execute_at": task["execute_at"]}


def test_one_task_is_not_claimed_twice(client: FlaskClient) -> None:
    answer = client.post(f"/tasks/{lease(client)['id']}/claim", json={"worker_id": "me"})
    assert problem(answer, 409, "task-not-claimable")["state"] == "running"


def test_a_deleted_or_unknown_task_is_not_claimed(client: FlaskClient) -> None:
    task = create(client, type="outside")
    client.delete(f"/tasks/{task['id']}")
    problem(client.post(f"/tasks/{task['id']}/claim", json={"worker_id": "me"}), 404, "task-deleted")
    problem(client.post(f"/tasks/{UNKNOWN_ID}/claim", json={"worker_id": "me"}), 404, "task-not-found")


def test_a_heartbeat_renews_the_lease(client: FlaskClient) -> None:
    held = lease(client)
    renewed = body(call_with_token(client, held, "heartbeat"))
    assert renewed["lease_expires_at"] > held["lease_expires_at"]
    assert renewed["claim_token"] == held["claim_token"]
    assert renewed["cancel_requested"] is False


@pytest.mark.parametrize("result", [None, 0, "text", [1, {"a": None}], {"output": "é"}, 2**64 - 1])
def test_a_result_is_stored(client: FlaskClient, result: Any) -> None:
    held = lease(client)
    done = body(call_with_token(client, held, "complete", result=result))
    assert (done["state"], done["result"], done["error"]) == ("succeeded", result, None)
    assert done["finished_at"]


def test_a_result_may_be_left_out(client: FlaskClient) -> None:
    assert body(call_with_token(client, lease(client), "complete"))["result"] is None


def test_a_result_too_large_is_refused_and_the_claim_is_kept(client: FlaskClient) -> None:
    held = lease(client)
    details = problem(call_with_token(client, held, "complete", result="x" * 262143), 422, "result-too-large")
    assert details == {"bytes": 262145, "limit": 262144}
    assert body(call_with_token(client, held, "complete", result="x" * 262142))["state"] == "succeeded"


def test_a_body_far_too_large_is_a_413(client: FlaskClient) -> None:
    problem(call_with_token(client, lease(client), "complete", result="x" * 600_000), 413, "body-too-large")


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        ("on fire", {"type": "handler_error", "message": "on fire", "attempt": 1}),
        ({"message": "on fire"}, {"type": "handler_error", "message": "on fire", "attempt": 1}),
        ({"type": "Printer", "message": ""}, {"type": "Printer", "message": "", "attempt": 1}),
    ],
)
def test_a_failure_is_stored(client: FlaskClient, error: Any, kept: dict[str, Any]) -> None:
    failed = body(call_with_token(client, lease(client), "fail", error=error))
    assert (failed["state"], failed["error"], failed["result"]) == ("failed", kept, None)


def test_a_failure_with_attempts_left_waits_for_the_next(client: FlaskClient) -> None:
    failed = body(call_with_token(client, lease(client, max_attempts=2), "fail", error="once"))
    assert (failed["state"], failed["attempt"], failed["error"]["message"]) == ("scheduled", 1, "once")
    assert failed["next_attempt_at"] > failed["execute_at"]


def test_a_claim_is_handed_back_and_the_attempt_is_not_counted(client: FlaskClient) -> None:
    held = lease(client)
    given_back = body(call_with_token(client, held, "release"))
    assert (given_back["state"], given_back["attempt"], given_back["worker_id"]) == ("scheduled", 0, None)
    assert body(claim(client))["id"] == held["id"]


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_token_is_a_lost_claim(client: FlaskClient, call: str) -> None:
    held = lease(client) | {"claim_token": str(uuid4())}
    problem(call_with_token(client, held, call, **CALLS[call]), 409, "claim-lost")


@pytest.mark.parametrize("call", CALLS)
def test_a_claim_that_was_taken_away_is_a_lost_claim(client: FlaskClient, engine: Engine, call: str) -> None:
    held = lease(client)
    assert len(rescue(engine, Silent(attempts=running(engine)), limit=1)) == 1
    problem(call_with_token(client, held, call, **CALLS[call]), 409, "claim-lost")


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_task_is_not_found(client: FlaskClient, call: str) -> None:
    held = {"id": UNKNOWN_ID, "claim_token": str(uuid4())}
    problem(call_with_token(client, held, call, **CALLS[call]), 404, "task-not-found")
    problem(call_with_token(client, held | {"id": "x"}, call, **CALLS[call]), 404, "task-not-found")


@pytest.mark.parametrize("call", CALLS)
def test_calls_after_a_claim_refuse_invalid_fields(client: FlaskClient, call: str) -> None:
    held = lease(client)
    assert list(fields(call_with_token(client, held, call, **CALLS[call], colour="red"))) == ["colour"]
    assert list(fields(call_with_token(client, held | {"claim_token": "x"}, call, **CALLS[call]))) == ["claim_token"]


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ("error", None),
        ("error", 5),
        ("error", "x" * 10_001),
        ("error.type", {"message": "", "type": ""}),
        ("error", ...),
    ],
)
def test_a_failure_needs_a_reason(client: FlaskClient, field: str, error: Any) -> None:
    given = {} if error is ... else {"error": error}
    assert list(fields(call_with_token(client, lease(client), "fail", **given))) == [field]
