"""Paths, methods, headers and sizes."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from app.api.resources.tasks import MAX_TASK_BYTES
from tests.integration.api_calls import UNKNOWN_ID, body, create, problem
from tests.integration.bad_input.cases import GOOD, JSON, Case, check, unsupported

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

LIMIT = MAX_TASK_BYTES


def nowhere(path: str, method: str = "GET") -> Case:
    """Return a case of a missing path, which is a 404."""
    return Case(status=404, problem="not-found", method=method, path=path, content_type=None)


def unknown_task(task_id: str, method: str = "GET", rest: str = "") -> Case:
    """Return a case of an unknown task, which is a 404."""
    return Case(status=404, problem="task-not-found", method=method, path=f"/tasks/{task_id}{rest}", content_type=None)


def wrong(method: str, path: str, **more: Any) -> Case:
    """Return a case that is a 405."""
    return Case(status=405, problem="method-not-allowed", method=method, path=path, content_type=None, **more)


def large(**more: Any) -> Case:
    """Return a case that is a 413."""
    return Case(status=413, problem="body-too-large", **more)


CASES = {
    "nothing there": nowhere("/nope"),
    "the root twice": nowhere("//tasks"),
    "a slash at the end": nowhere("/tasks/"),
    "too deep": nowhere("/tasks/x/y/z"),
    "up and out": nowhere("/static/../app.py"),
    "up and out, encoded": nowhere("/static/%2e%2e/%2e%2e/config.py"),
    "up and out, encoded slashes": nowhere("/static/..%2f..%2fconfig.py"),
    "a NUL in a file": nowhere("/static/%00"),
    "a file that is not there": nowhere("/static/nope.js"),
    "a NUL": nowhere("/%00"),
    "no UTF-8": nowhere("/%ff"),
    "a surrogate": nowhere("/%ed%a0%80"),
    "a broken escape": nowhere("/%zz"),
    "10,000 long": nowhere("/" + "a" * 10_000),
    "another letter case": nowhere("/Tasks"),
    "a deeper posting": nowhere("/tasks/x/y/z", "POST"),
    "no problem of this name": nowhere("/problems/nope"),
    "an id too short": unknown_task("1"),
    "an id with a NUL": unknown_task("%00"),
    "an id in braces": unknown_task(f"%7B{UNKNOWN_ID}%7D"),
    "an id without hyphens": unknown_task(UNKNOWN_ID.replace("-", "")),
    "an id too long": unknown_task(UNKNOWN_ID + "0"),
    "an id with a newline": unknown_task(UNKNOWN_ID + "%0a"),
    "an id of a urn": unknown_task(f"urn:uuid:{UNKNOWN_ID}"),
    "an id with an encoded slash": nowhere(f"/tasks/{UNKNOWN_ID}%2F"),
    "an id no UTF-8": unknown_task("%ff%fe"),
    "an id of an emoji": unknown_task("%F0%9F%98%80"),
    "an id of SQL": unknown_task("1'%20OR%20'1'='1"),
    "an unknown id": unknown_task(UNKNOWN_ID),
    "deleting no id": unknown_task("1", "DELETE"),
    "deleting an unknown id": unknown_task(UNKNOWN_ID, "DELETE"),
    "TRACE": wrong("TRACE", "/tasks"),
    "CONNECT": wrong("CONNECT", "/tasks"),
    "PROPFIND": wrong("PROPFIND", "/tasks"),
    "BREW": wrong("BREW", f"/tasks/{UNKNOWN_ID}"),
    "a method of 5,000": wrong("A" * 5000, "/health"),
    "a method in a header": Case(
        status=404, problem="task-not-found", method="GET", path=f"/tasks/{UNKNOWN_ID}", content_type=None,
        headers={"X-HTTP-Method-Override": "DELETE"},
    ),
    "PATCH of all": wrong("PATCH", "/tasks"),
    "DELETE of all": wrong("DELETE", "/tasks"),
    "PUT of one": wrong("PUT", f"/tasks/{UNKNOWN_ID}"),
    "POST of one": wrong("POST", f"/tasks/{UNKNOWN_ID}", body=GOOD),
    "GET of a claim": wrong("GET", "/tasks/claim"),
    "DELETE of the next": wrong("DELETE", "/tasks/next"),
    "POST of the document": wrong("POST", "/openapi.json"),
    "no content type": unsupported(content_type=None),
    "an empty content type": unsupported(content_type=""),
    "text": unsupported(content_type="text/plain"),
    "a form": unsupported(content_type="application/x-www-form-urlencoded"),
    "files": unsupported(content_type="multipart/form-data; boundary=x"),
    "JSON's neighbours": unsupported(content_type="application/jsonx"),
    "JSON text": unsupported(content_type="text/json"),
    "problems": unsupported(content_type="application/problem+json"),
    "two types": unsupported(content_type="application/json, text/plain"),
    "JSON in UTF-16": unsupported(content_type="application/json; charset=utf-16"),
    "JSON in Latin 1": unsupported(content_type="application/json; charset=iso-8859-1"),
    "JSON with a parameter": unsupported(content_type="application/json; a=b"),
    "a type with a NUL": unsupported(put={"CONTENT_TYPE": "application/json\0"}),
    "no type at all": unsupported(content_type="a;b"),
    "gzip": unsupported(headers={"Content-Encoding": "gzip"}),
    "brotli": unsupported(headers={"Content-Encoding": "br"}),
    "identity": unsupported(headers={"Content-Encoding": "identity"}),
    "an encoding that is empty": unsupported(headers={"Content-Encoding": ""}),
    "a body over the limit": large(body=GOOD + b" " * LIMIT),
    "a body far over the limit": large(body=b" " * (5 * LIMIT)),
    "a chunked body over the limit": large(body=GOOD + b" " * LIMIT, chunked=True),
    "a chunked body far over the limit": large(body=b" " * (5 * LIMIT), chunked=True),
    "a length over the limit": large(body=b"", put={"CONTENT_LENGTH": str(LIMIT + 1)}),
    "a length of 2^64": large(body=b"", put={"CONTENT_LENGTH": str(2**64)}),
    "a chunked body that is no JSON": Case(status=400, problem="not-json", body=b"{", chunked=True),
    "a chunked body of nothing": Case(status=400, problem="not-json", body=b"", chunked=True),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_a_request_that_no_endpoint_accepts_is_refused(client: FlaskClient, engine: Engine, case: Case) -> None:
    check(case, client, engine)


HARMLESS = [
    {"X-Request-ID": "a\0b"},
    {"X-Request-ID": "\xff" * 1000},
    {"Prefer": ";;;=,return"},
    {"Prefer": "return=nonsense, wait=x"},
    {"Prefer": "\xff\0"},
    {"Accept": "text/html"},
    {"Accept": "\0"},
    {"Cookie": "session=\0; =;;" + "a=b; " * 1000},
    {"Authorization": "Bearer"},
    {"If-Match": "nonsense"},
    {"Range": "bytes=-1"},
    {"If-Modified-Since": "yesterday"},
    {"Host": "a b\xff/"},
    {"X-Forwarded-For": "' OR 1=1"},
    {"Expect": "nonsense"},
    {"X-Large": "x" * 300_000},
]


@pytest.mark.parametrize("headers", HARMLESS, ids=range(len(HARMLESS)))
def test_unknown_headers_are_ignored(client: FlaskClient, headers: dict[str, str]) -> None:
    put = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
    task = create(client)
    answer = client.get(f"/tasks/{task['id']}", environ_overrides=put)
    assert (answer.status_code, body(answer)) == (200, {name: task[name] for name in task if name != "task_id"})
    assert client.delete(f"/tasks/{task['id']}", environ_overrides=put).status_code == 200


@pytest.mark.parametrize("method", ["get", "Get"])
def test_a_method_in_another_letter_case_is_understood(client: FlaskClient, method: str) -> None:
    assert client.get("/tasks", environ_overrides={"REQUEST_METHOD": method}).status_code == 200


@pytest.mark.parametrize(
    "kind",
    [
        JSON,
        "Application/JSON",
        "application/json; charset=UTF-8",
        "application/json;",
        'application/json;charset="utf-8"',
        "application/json; charset=utf8",
        "application/vnd.acme.task+json",
        "application/vnd.api+json; charset=utf-8",
    ],
)
def test_json_may_say_that_it_is_utf_8(client: FlaskClient, kind: str) -> None:
    assert client.post("/tasks", data=GOOD, content_type=kind).status_code == 201


HINTS = {
    "application/x-www-form-urlencoded": "curl -d",
    "application/x-www-form-urlencoded; charset=UTF-8": "curl -d",
    "text/plain;charset=UTF-8": "UTF-8, with `Content-Type: application/json`",
    "application/json; charset=utf-16": "UTF-8",
    "application/json; charset=iso-8859-1": "UTF-8",
    "text/plain": "Send `Content-Type: application/json`",
    "application/vnd.acme+xml": "Send `Content-Type: application/json`",
    "application/merge-patch+json": "Send `Content-Type: application/json`",
    "": "Send `Content-Type: application/json`",
}


@pytest.mark.parametrize(("kind", "hint"), HINTS.items())
def test_a_refused_content_type_is_answered_with_what_to_send(client: FlaskClient, kind: str, hint: str) -> None:
    answer = client.post("/tasks", data=GOOD, content_type=kind)
    problem(answer, 415, "unsupported-media-type")
    assert hint in body(answer)["detail"]


def test_a_compressed_body_is_refused_with_a_sentence(client: FlaskClient) -> None:
    answer = client.post("/tasks", data=gzip.compress(GOOD), content_type=JSON, headers={"Content-Encoding": "gzip"})
    problem(answer, 415, "unsupported-media-type")
    assert "Content-Encoding" in body(answer)["detail"]


def test_a_body_just_within_the_limit_is_read(client: FlaskClient) -> None:
    assert client.post("/tasks", data=GOOD.ljust(LIMIT), content_type=JSON).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/tasks", "GET, HEAD, OPTIONS, POST, PUT"),
        ("POST", f"/tasks/{UNKNOWN_ID}", "DELETE, GET, HEAD, OPTIONS"),
        ("GET", "/tasks/claim", "OPTIONS, POST"),
        ("DELETE", "/tasks/next", "GET, HEAD, OPTIONS"),
        ("DELETE", "/health", "GET, HEAD, OPTIONS"),
        ("POST", "/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_answered_with_the_allowed_ones(
    client: FlaskClient, method: str, path: str, allow: str
) -> None:
    assert client.open(path, method=method).headers["Allow"] == allow


def test_the_icon_that_browsers_request_is_served(client: FlaskClient) -> None:
    assert client.get("/favicon.ico").status_code == 204
