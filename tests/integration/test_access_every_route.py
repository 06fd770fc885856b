"""Every route is closed without a key and to keys of the wrong scope, and answers with safe headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from app.api.auth.gate import PAGES, PUBLIC
from app.api_key import Scope
from tests.integration.api_calls import UNKNOWN_ID, problem
from tests.integration.keys import PASSWORD, new_bearer

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy import Engine
    from werkzeug.test import TestResponse

OPEN = {
    "/health",
    "/ready",
    "/docs",
    "/openapi.json",
    "/problems/",
    "/problems/<slug>",
    "/favicon.ico",
    "/static/<path:filename>",
    "/sign-in",
    "/sign-out",
}
NEEDED = {
    "POST /tasks": "write",
    "PUT /tasks": "write",
    "GET /tasks": "read",
    "GET /task": "read",
    "GET /tasks/<task:task_id>": "read",
    "DELETE /tasks/<task:task_id>": "write",
    "DELETE /task/<task:task_id>": "write",
    "POST /tasks/claim": "worker",
    "POST /task/<task:task_id>/heartbeat": "worker",
    "GET /types": "read",
    "GET /rq/": "read",
    "POST /rq/job/<job_id>/delete": "read",
}
UNKNOWN = ("/nope", "/tasks/x/y/z", "/rqx", "/problems", "/rq/nope", "/healthy", "//tasks", "/static")
FILES = ("/static/", "/favicon.ico")  # public, and the same for every client
VALUES = {"task_id": UNKNOWN_ID, "slug": "not-found", "filename": "docs.js"}


@pytest.fixture
def closed(client_with: Callable[..., FlaskClient]) -> FlaskClient:
    """A client of an application that requires keys."""
    return client_with(auth="on", secret_key=PASSWORD, redis_timeout_s=5.0)


def routes(app: Flask) -> Iterator[tuple[str, str, str, str]]:
    """Yield every rule with each of its methods, its endpoint, and a path that it matches."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", lambda found: VALUES.get(found[1], "1"), rule.rule)
        for method in sorted(rule.methods or ()):
            yield rule.rule, method, rule.endpoint, path


def assert_safe(answer: TestResponse) -> None:
    headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store" or any(name in answer.request.path for name in FILES)
    assert headers["X-Request-ID"]
    assert not [name for name in headers.keys() if name.startswith("Access-Control-")]  # noqa: SIM118


def slug(answer: TestResponse) -> Any:
    return (answer.get_json(force=True, silent=True) or {}).get("type")


def test_every_route_is_closed_without_a_key_unless_it_is_listed_here(closed: FlaskClient) -> None:
    seen = set()
    for rule, method, _, path in routes(closed.application):
        answer = closed.open(path, method=method, buffered=True)
        assert_safe(answer)
        if rule in OPEN:
            assert answer.status_code != 401, (method, rule)
            seen.add(rule)
            continue
        assert answer.status_code == 401, (method, rule)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        if method != "HEAD":
            problem(answer, 401, "unauthenticated")
    assert seen == OPEN


def test_every_route_is_closed_to_a_key_of_any_other_scope_and_open_to_the_right_one_and_to_admin(
    closed: FlaskClient, engine: Engine
) -> None:
    scopes = {each.value for each in Scope} - {"admin"}
    others = {each: new_bearer(engine, *scopes - {each}) for each in scopes}
    right = {each: new_bearer(engine, each) for each in (*scopes, "admin")}
    found = {}
    for rule, method, _, path in routes(closed.application):
        if rule in OPEN:
            continue
        tried = {each: closed.open(path, method=_shown(method), headers=others[each], buffered=True) for each in scopes}
        refusing = {each for each, answer in tried.items() if slug(answer) == "/problems/scope-missing"}
        assert len(refusing) == 1, (method, rule, refusing)
        needed = found[f"{method} {rule}"] = refusing.pop()
        refused = closed.open(path, method=method, headers=others[needed])
        assert_safe(refused)
        assert refused.status_code == 403
        if method != "HEAD":
            assert problem(refused, 403, "scope-missing")["needed"] == needed
        for let_in in (right[needed], right["admin"]):
            answer = closed.open(path, method=method, headers=let_in, buffered=True)
            assert_safe(answer)
            assert answer.status_code < 500
            assert slug(answer) not in {"/problems/scope-missing", "/problems/unauthenticated"}
    assert found.items() >= NEEDED.items()


def _shown(method: str) -> str:
    """Return a method whose refusal has a body."""
    return "GET" if method == "HEAD" else method


def test_every_endpoint_is_declared(closed: FlaskClient) -> None:
    from app.api.application import RESOURCES

    declared = PUBLIC.union(*(each.operations for each in RESOURCES))
    endpoints = {endpoint for _, _, endpoint, _ in routes(closed.application)}
    assert {each for each in endpoints if each.partition(".")[0] not in PAGES} == declared


def test_an_undeclared_route_needs_the_admin_scope(closed: FlaskClient, engine: Engine) -> None:
    closed.application.add_url_rule("/forgotten", "forgotten", lambda: "found")
    problem(closed.get("/forgotten"), 401, "unauthenticated")
    assert problem(
        closed.get("/forgotten", headers=new_bearer(engine, "read", "write", "worker")), 403, "scope-missing"
    )
    assert closed.get("/forgotten", headers=new_bearer(engine, "admin")).text == "found"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_missing_and_existing_paths_look_alike_without_a_key(closed: FlaskClient, engine: Engine, method: str) -> None:
    for path in (*UNKNOWN, "/tasks", "/types"):
        problem(closed.open(path, method=method), 401, "unauthenticated")
    problem(closed.patch("/health"), 401, "unauthenticated")
    problem(closed.open("/nope", method=method, headers=new_bearer(engine, "worker")), 404, "not-found")


def test_head_answers_nothing_more_than_get(closed: FlaskClient) -> None:
    answer = closed.head("/tasks")
    assert (answer.status_code, answer.data) == (401, b"")


def test_a_body_that_is_too_large_is_refused_everywhere_chunked_or_not(closed: FlaskClient, engine: Engine) -> None:
    """The answer is 413, or a refusal that did not read the body."""
    admin, megabytes = new_bearer(engine, "admin") | {"Content-Type": "application/json"}, b" " * (9 << 20)
    for rule, method, _, path in routes(closed.application):
        if method not in {"POST", "PUT"}:
            continue
        for chunked in (False, True):
            environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"} if chunked else {}
            answer = closed.open(path, method=method, data=megabytes, headers=admin, environ_overrides=environ)
            expected = {303, 403} if rule.startswith(("/rq", "/sign")) else {413, 409, 404}
            assert answer.status_code in expected, (method, rule, chunked)


def test_the_document_names_the_scope_of_each_operation(closed: FlaskClient) -> None:
    document: Any = closed.get("/openapi.json").get_json()
    (name,) = document["components"]["securitySchemes"]
    assert document["components"]["securitySchemes"][name]["scheme"] == "bearer"
    for path, item in document["paths"].items():
        for method in {"get", "post", "delete", "patch"} & item.keys():
            is_open = path in OPEN
            assert item[method]["security"] == [] if is_open else len(item[method]["security"][0][name]) == 1
            assert ("401" in item[method]["responses"]) is not is_open


def test_strict_transport_security_is_sent_in_production_only(client_with: Callable[..., FlaskClient]) -> None:
    proxied, name = {"X-Forwarded-Proto": "https"}, "Strict-Transport-Security"
    production = client_with(app_env="production", auth="off")
    assert production.get("/health", headers=proxied).headers[name].startswith("max-age=")
    assert name not in production.get("/health").headers
    assert name not in client_with().get("/health", headers=proxied).headers
