"""What docs/api.md says about repeating a request whose answer was lost. Each request is sent twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.api_calls import body, create, lease, problem, run

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine


def test_reading_and_deleting_twice_has_the_same_answer(client: FlaskClient) -> None:
    path = f"/tasks/{create(client)['id']}"
    assert body(client.get(path)) == body(client.get(path))
    assert body(client.delete(path)) == body(client.delete(path))


def test_creating_twice_makes_two_tasks(client: FlaskClient, engine: Engine) -> None:
    create(client)
    create(client)
    assert run(engine, "SELECT count(*) FROM tasks") == 2


def test_a_second_heartbeat_extends_the_lease_again(client: FlaskClient) -> None:
    held = lease(client)
    first, second = (
        body(client.post(f"/tasks/{held['id']}/heartbeat", json={"claim_token": held["claim_token"]})) for _ in range(2)
    )
    assert second["lease_expires_at"] > first["lease_expires_at"]
    assert second["claim_token"] == held["claim_token"]


@pytest.mark.parametrize(
    ("act", "more", "state"),
    [
        ("complete", {"result": 1}, "succeeded"),
        ("fail", {"error": "no"}, "failed"),
        ("fail", {"error": "try again", "max_attempts": 3}, "scheduled"),
    ],
)
def test_reporting_an_outcome_twice_has_the_same_answer(
    client: FlaskClient, act: str, more: dict[str, Any], state: str
) -> None:
    held = lease(client, max_attempts=more.get("max_attempts", 1))
    report = {"claim_token": held["claim_token"]} | {name: more[name] for name in more.keys() & {"result", "error"}}
    first, second = (body(client.post(f"/tasks/{held['id']}/{act}", json=report)) for _ in range(2))
    assert first == second
    assert (first["state"], first["attempt"]) == (state, 1)


def test_releasing_twice_is_a_lost_claim_and_the_task_is_scheduled(client: FlaskClient) -> None:
    held = lease(client)
    report = {"claim_token": held["claim_token"]}
    assert client.post(f"/tasks/{held['id']}/release", json=report).status_code == 200
    problem(client.post(f"/tasks/{held['id']}/release", json=report), 409, "claim-lost")
    assert body(client.get(f"/tasks/{held['id']}"))["state"] == "scheduled"
