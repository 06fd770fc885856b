"""What the OpenAPI document says of one operation: every answer it can give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.api.openapi.examples import EXAMPLES
from app.api.problems import CHALLENGES, HTTP, MEDIA_TYPE, REFUSALS, RETRY_AFTER_S
from app.errors import (
    BodyCutOff,
    BodyTooSlow,
    ForgedRequest,
    InvalidInput,
    LedgerAway,
    NotJson,
    ScopeMissing,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMedia,
)

if TYPE_CHECKING:
    from msgspec import Struct

    from app.api.problems import Problem
    from app.api_key import Scope
    from app.errors import Refusal

READING_A_BODY = (
    *(REFUSALS[each] for each in (NotJson, BodyCutOff, BodyTooSlow, UnsupportedMedia, InvalidInput)),
    HTTP[413],
)
BEING_LET_IN = tuple(REFUSALS[each] for each in (Unauthenticated, ScopeMissing, ForgedRequest, TooManyRequests))
SECURITY_SCHEME = "key"
REQUEST_ID = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation. `scope` is what a key needs for it; None: it is for anybody.

    `answers`: the shapes that each status may answer, none for no body. `query` and `headers`: what the request may
    say there, as OpenAPI parameters by name. `answer_headers`: what each status adds to the headers.
    """

    summary: str
    scope: Scope | None
    answers: dict[int, tuple[type[Struct], ...]]
    refusals: tuple[type[Refusal], ...] = ()
    body: type[Struct] | None = None
    query: dict[str, dict[str, Any]] = field(default_factory=dict)
    headers: dict[str, dict[str, Any]] = field(default_factory=dict)
    answer_headers: dict[int, tuple[str, ...]] = field(default_factory=dict)
    needs_ledger: bool = True


def describe(about: Operation) -> dict[str, Any]:
    """The arguments for flask-smorest's `doc`."""
    parameters = [{"in": "query", "name": name, **rest} for name, rest in about.query.items()]
    parameters += [{"in": "header", "name": name, **rest} for name, rest in about.headers.items()]
    security = [{SECURITY_SCHEME: [about.scope.value]}] if about.scope else []
    told: dict[str, Any] = {"summary": about.summary, "responses": _responses(about), "security": security}
    if parameters:
        told["parameters"] = parameters
    if about.body:
        told["requestBody"] = {"required": True, "content": {"application/json": _content((about.body,))}}
    return told


def parameter(schema: dict[str, Any], description: str, **more: Any) -> dict[str, Any]:
    """A parameter of a query or a header."""
    return {"schema": schema, "description": description, **more}


def _responses(about: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, found in about.answers.items():
        named = {name: {"$ref": f"#/components/headers/{name}"} for name in about.answer_headers.get(status, ())}
        responses[str(status)] = {"description": _first_lines(found), "headers": REQUEST_ID | named}
        if found:
            responses[str(status)]["content"] = {"application/json": _content(found)}
    for problem in _problems(about):
        _add_problem(responses, problem)
    return responses


def _problems(about: Operation) -> list[Problem]:
    problems = [REFUSALS[refusal] for refusal in about.refusals]
    problems += [REFUSALS[InvalidInput]]  # an unknown parameter, if nothing else
    problems += READING_A_BODY if about.body else ()
    problems += BEING_LET_IN if about.scope else ()
    problems += [REFUSALS[LedgerAway]] if about.needs_ledger or about.scope else []
    return sorted(set(problems) | {HTTP[500]}, key=lambda problem: (problem.status, problem.slug))


def _add_problem(responses: dict[str, Any], problem: Problem) -> None:
    named = [
        name for name, of in (("Retry-After", RETRY_AFTER_S), ("WWW-Authenticate", CHALLENGES)) if problem.status in of
    ]
    more = {name: {"$ref": f"#/components/headers/{name}"} for name in named}
    schema = {"$ref": "#/components/schemas/Problem"}
    described = responses.setdefault(
        str(problem.status),
        {"description": "", "headers": REQUEST_ID | more, "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}}},
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


def _content(found: tuple[type[Struct], ...]) -> dict[str, Any]:
    names = [shape.__name__ for shape in found]
    schemas = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    examples = {name: {"value": EXAMPLES[name]} for name in names}
    return {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}, "examples": examples}


def _first_lines(found: tuple[type[Struct], ...]) -> str:
    return " ".join((shape.__doc__ or "").strip().splitlines()[0] for shape in found) or "No body."
