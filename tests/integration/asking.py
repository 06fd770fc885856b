"""Short ways to say what most tests of the API say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine
    from werkzeug.test import TestResponse

PAST = "2020-01-01T00:00:00Z"
FUTURE = "2100-01-01T00:00:00Z"
NOBODY = "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11"


def create(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    """A task of type foo, far in the future, unless said otherwise."""
    when = {} if {"execute_at", "delay_s"} & fields.keys() else {"execute_at": FUTURE}
    answer = client.post("/tasks", json={"type": "foo"} | when | fields)
    assert answer.status_code == 201, answer.text
    return body(answer)


def lease(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    """A claimed task of the type that only outside workers run."""
    create(client, type="outside", execute_at=PAST, **fields)
    answer = client.post("/tasks/claim", json={"worker_id": "w"})
    assert answer.status_code == 200, answer.text
    return body(answer)


def body(answer: TestResponse) -> dict[str, Any]:
    """The JSON of an answer."""
    found: dict[str, Any] = answer.get_json(force=True)
    return found


def problem(answer: TestResponse, status: int, slug: str) -> dict[str, Any]:
    """The details of a refusal, after a look at the rest of it."""
    told = body(answer)
    assert (answer.status_code, told["type"]) == (status, f"/problems/{slug}"), told
    assert answer.content_type == "application/problem+json"
    assert set(told) == {"type", "title", "status", "detail", "details", "request_id"}
    assert told["status"] == status
    assert told["request_id"] == answer.headers["X-Request-ID"]
    details: dict[str, Any] = told["details"]
    return details


def fields(answer: TestResponse) -> dict[str, str]:
    """The field errors of a 422."""
    found: dict[str, str] = problem(answer, 422, "invalid-input")["fields"]
    return found


def run(engine: Engine, statement: str, **values: Any) -> Any:
    """One statement on the ledger; the first value it returns, if any."""
    with engine.connect() as connection:
        result = connection.execute(text(statement), values)
        return result.scalar() if result.returns_rows else None
