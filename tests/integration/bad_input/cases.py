"""One row of the tables: a request and its exact refusal."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.integration.api_calls import FUTURE, problem, run

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

JSON = "application/json"
GOOD = f'{{"type": "noop", "execute_at": "{FUTURE}"}}'.encode()
EVERYTHING = "SELECT md5(coalesce(string_agg(tasks::text, '|' ORDER BY id), '')) FROM tasks"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request and its refusal. `fields` are those that `details` names; `put` overrides the WSGI environment."""

    status: int
    problem: str
    fields: tuple[str, ...] = ()
    method: str = "POST"
    path: str = "/tasks"
    body: bytes | None = None
    content_type: str | None = JSON
    headers: dict[str, str] = field(default_factory=dict)
    put: dict[str, Any] = field(default_factory=dict)
    chunked: bool = False


def invalid(*fields: str, **request: Any) -> Case:
    """Return a case that is a 422 with these fields."""
    return Case(status=422, problem="invalid-input", fields=fields, **request)


def query(text: str, *fields: str, path: str = "/tasks") -> Case:
    """Return a case of a list with this query, which is a 422."""
    return invalid(*fields, method="GET", path=f"{path}?{text}", content_type=None)


def not_json(body: bytes, **request: Any) -> Case:
    """Return a case that is a 400."""
    return Case(status=400, problem="not-json", body=body, **request)


def unsupported(**request: Any) -> Case:
    """Return a case with a valid body that is a 415."""
    return Case(status=415, problem="unsupported-media-type", body=GOOD, **request)


def check(case: Case, client: FlaskClient, engine: Engine, **known: str) -> None:
    """Check that a request is refused as in its case and changes no row. `{name}` is replaced by a value of `known`."""
    before = run(engine, EVERYTHING)
    path, body = case.path, case.body
    for name, value in known.items():
        path = path.replace(f"{{{name}}}", value)
        body = body.replace(f"{{{name}}}".encode(), value.encode()) if body is not None else None
    put = dict(case.put)
    options: dict[str, Any] = {"data": body}
    if case.chunked:
        options = {"input_stream": io.BytesIO(body or b"")}
        put |= {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    if case.content_type is not None:
        options["content_type"] = case.content_type
    answer = client.open(path, method=case.method, headers=case.headers, environ_overrides=put, **options)
    details = problem(answer, case.status, case.problem)
    assert set(details.get("fields", {})) == set(case.fields)
    assert all(details.get("fields", {}).values()), "each field has a message"
    assert run(engine, EVERYTHING) == before, "no row has changed"
