"""The declaration of one operation, and its part of the OpenAPI document: every answer that it can give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.api.errors import CHALLENGES, HTTP, MEDIA_TYPE, REFUSALS, RETRY_AFTER_S
from app.api.openapi.examples import EXAMPLES
from app.errors import (
    BodyCutOff,
    BodyTooSlow,
    ForgedRequest,
    InvalidInput,
    LedgerUnavailable,
    NotJson,
    ScopeMissing,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMedia,
)

if TYPE_CHECKING:
    from msgspec import Struct

    from app.api.errors import Problem
    from app.api_key import Scope
    from app.errors import Refusal

MAX_BODY_BYTES = 128 * 1024
BODY_PROBLEMS = (
    *(REFUSALS[each] for each in (NotJson, BodyCutOff, BodyTooSlow, UnsupportedMedia, InvalidInput)),
    HTTP[413],
)
ACCESS_PROBLEMS = tuple(REFUSALS[each] for each in (Unauthenticated, ScopeMissing, ForgedRequest, TooManyRequests))
SECURITY_SCHEME = "key"
REQUEST_ID = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation.

    `scope` is what a key needs, None for a public operation. `answers` has the shapes of each status, none for no body.
    `query` and `headers`: OpenAPI parameters by name. `answer_headers`: what each status adds to the headers.
    `max_body_bytes`: a larger body is refused, by the web server before it is received.
    """

    summary: str
    scope: Scope | None
    answers: dict[int, tuple[type[Struct], ...]]
    refusals: tuple[type[Refusal], ...] = ()
    body: type[Struct] | None = None
    max_body_bytes: int = MAX_BODY_BYTES
    query: dict[str, dict[str, Any]] = field(default_factory=dict)
    headers: dict[str, dict[str, Any]] = field(default_factory=dict)
    answer_headers: dict[int, tuple[str, ...]] = field(default_factory=dict)
    needs_ledger: bool = True


def describe(operation: Operation) -> dict[str, Any]:
    """Return the arguments for flask-smorest's `doc`."""
    parameters = [{"in": "query", "name": name, **rest} for name, rest in operation.query.items()]
    parameters += [{"in": "header", "name": name, **rest} for name, rest in operation.headers.items()]
    security = [{SECURITY_SCHEME: [operation.scope.value]}] if operation.scope else []
    described: dict[str, Any] = {
        "summary": operation.summary,
        "responses": _responses(operation),
        "security": security,
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body:
        described["requestBody"] = {"required": True, "content": {"application/json": _content((operation.body,))}}
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, shapes in operation.answers.items():
        headers = {name: {"$ref": f"#/components/headers/{name}"} for name in operation.answer_headers.get(status, ())}
        responses[str(status)] = {"description": _first_lines(shapes), "headers": REQUEST_ID | headers}
        if shapes:
            responses[str(status)]["content"] = {"application/json": _content(shapes)}
    for problem in _problems(operation):
        _add_problem(responses, problem)
    return responses


def _problems(operation: Operation) -> list[Problem]:
    problems = [REFUSALS[refusal] for refusal in operation.refusals]
    problems += [REFUSALS[InvalidInput]]  # an unknown query parameter is possible everywhere
    problems += BODY_PROBLEMS if operation.body else ()
    problems += ACCESS_PROBLEMS if operation.scope else ()
    problems += [REFUSALS[LedgerUnavailable]] if operation.needs_ledger or operation.scope else []
    return sorted(set(problems) | {HTTP[500]}, key=lambda problem: (problem.status, problem.slug))


def _add_problem(responses: dict[str, Any], problem: Problem) -> None:
    names = [
        name
        for name, statuses in (("Retry-After", RETRY_AFTER_S), ("WWW-Authenticate", CHALLENGES))
        if problem.status in statuses
    ]
    headers = REQUEST_ID | {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    schema = {"$ref": "#/components/schemas/Problem"}
    described = responses.setdefault(
        str(problem.status),
        {"description": "", "headers": headers, "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}}},
    )
    described["description"] = " ".join(filter(None, (described["description"], problem.meaning)))
    described["content"][MEDIA_TYPE]["examples"][problem.slug] = {"value": _example(problem)}


def _example(problem: Problem) -> dict[str, Any]:
    return {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.meaning,
        "details": {},
        "request_id": "0c8f4c8e-6d0f-4c3a-9d43-0d9e2f6a7b10",
    }


def _content(shapes: tuple[type[Struct], ...]) -> dict[str, Any]:
    names = [shape.__name__ for shape in shapes]
    schemas = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    examples = {name: {"value": EXAMPLES[name]} for name in names}
    return {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}, "examples": examples}


def _first_lines(shapes: tuple[type[Struct], ...]) -> str:
    return " ".join((shape.__doc__ or "").strip().splitlines()[0] for shape in shapes) or "No body."
