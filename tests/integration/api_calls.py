"""Requests and checks that most tests of the API use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine
    from werkzeug.test import TestResponse

PAST = "2020-01-01T00:00:00Z"
FUTURE = "2100-01-01T00:00:00Z"
UNKNOWN_ID = "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11"


def create(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    """Create a task, by default of type foo and far in the future, and return it."""
    when = {} if {"execute_at", "delay_s"} & fields.keys() else {"execute_at": FUTURE}
    answer = client.post("/tasks", json={"type": "foo"} | when | fields)
    assert answer.status_code == 201, answer.text
    return body(answer)


def lease(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    """Create and claim a task of the type that only outside workers run; return the lease."""
    create(client, type="outside", execute_at=PAST, **fields)
    answer = client.post("/tasks/claim", json={"worker_id": "w"})
    assert answer.status_code == 200, answer.text
    return body(answer)


def body(answer: TestResponse) -> dict[str, Any]:
    """Return the JSON of an answer."""
    content: dict[str, Any] = answer.get_json(force=True)
    return content


def problem(answer: TestResponse, status: int, slug: str) -> dict[str, Any]:
    """Check a refusal and return its `details`."""
    refusal = body(answer)
    assert (answer.status_code, refusal["type"]) == (status, f"/problems/{slug}"), refusal
    assert answer.content_type == "application/problem+json"
    assert set(refusal) == {"type", "title", "status", "detail", "details", "request_id"}
    assert refusal["status"] == status
    assert refusal["request_id"] == answer.headers["X-Request-ID"]
    details: dict[str, Any] = refusal["details"]
    return details


def fields(answer: TestResponse) -> dict[str, str]:
    """Return the field errors of a 422."""
    errors: dict[str, str] = problem(answer, 422, "invalid-input")["fields"]
    return errors


def run(engine: Engine, statement: str, **values: Any) -> Any:
    """Execute one statement on the ledger and return its first value, if it returns rows."""
    with engine.connect() as connection:
        result = connection.execute(text(statement), values)
        return result.scalar() if result.returns_rows else None
