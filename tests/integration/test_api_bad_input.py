"""Bodies and requests that no endpoint takes: never a 5xx, always problem+json."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from tests.integration.asking import FUTURE, NOBODY, problem

if TYPE_CHECKING:
    from flask.testing import FlaskClient

GOOD = f'{{"type": "noop", "execute_at": "{FUTURE}"}}'.encode()
JSON = "application/json"

NOT_JSON = (
    b"",
    b"{",
    b"nope",
    GOOD[:-1],
    GOOD + b"}",
    b'{"type": NaN}',
    b'{"type": -Infinity}',
    b"\xff\xfe",
    b"{'a':1}",
)
REFUSED = (
    b"[]",
    b'"foo"',
    b"null",
    b'{"type": "foo", "type": "foo", "delay_s": 1}',
    b'{"type": "noop", "delay_s": 1, "payload": {"a": {"b": 1, "b": 1}}}',
    b'{"type": "noop", "delay_s": 1e400}',
    b'{"type": "noop", "delay_s": 1, "payload": {"a": 1e400}}',
    b'{"type": "noop", "delay_s": 1, "payload": {"a": 18446744073709551616}}',
    b'{"type": "noop", "delay_s": 1, "payload": {"a": -9223372036854775809}}',
    b'{"type": "noop", "delay_s": 1, "payload": {"a": ' + b"1" * 6000 + b"}}",
    b'{"type": "noop", "delay_s": 1, "payload": {"a": "\\u0000"}}',
    b'{"type": "noop", "delay_s": 1, "payload": {"\\u0000": 1}}',
    b'{"type": "noop\\u0000", "delay_s": 1}',
    b'{"type": "noop", "delay_s": 1, "payload": {"a": "\\ud800"}}',
    b'{"type": "noop", "delay_s": 1, "payload": {"\\udfff": 1}}',
    b'{"type": "noop", "delay_s": 1, "\\ud800": 1}',
    b'{"\\ud800": 1, "\\ud800": 1}',
    b'{"type": "noop", "delay_s": 1, "payload": ' + b'{"a":' * 32 + b"1" + b"}" * 33,
    b'{"type": "noop", "delay_s": 1, "payload": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
    b'{"type": "noop", "delay_s": 1, "payload": {"a": ' + b"[" * 60000 + b"]" * 60000 + b"}}",
)
TYPES = (
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
    "application/jsonx",
    "a;b",
)


@pytest.mark.parametrize("raw", NOT_JSON)
def test_what_is_not_json_is_a_400(client: FlaskClient, raw: bytes) -> None:
    problem(client.post("/tasks", data=raw, content_type=JSON), 400, "not-json")


@pytest.mark.parametrize("raw", REFUSED, ids=range(len(REFUSED)))
def test_json_that_cannot_be_kept_is_a_422(client: FlaskClient, raw: bytes) -> None:
    problem(client.post("/tasks", data=raw, content_type=JSON), 422, "invalid-input")


@pytest.mark.parametrize("content_type", TYPES)
def test_another_media_type_is_a_415(client: FlaskClient, content_type: str) -> None:
    problem(client.post("/tasks", data=GOOD, content_type=content_type), 415, "unsupported-media-type")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON", "application/json; charset=UTF-8"])
def test_json_may_say_that_it_is_utf_8(client: FlaskClient, content_type: str) -> None:
    assert client.post("/tasks", data=GOOD, content_type=content_type).status_code == 201


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity", "nonsense"])
def test_a_content_encoding_is_a_415(client: FlaskClient, encoding: str) -> None:
    answer = client.post("/tasks", data=GOOD, content_type=JSON, headers={"Content-Encoding": encoding})
    problem(answer, 415, "unsupported-media-type")


def test_a_body_over_the_limit_is_a_413(client: FlaskClient) -> None:
    problem(client.post("/tasks", data=GOOD + b" " * 131072, content_type=JSON), 413, "body-too-large")


def test_a_body_just_within_the_limit_is_read(client: FlaskClient) -> None:
    assert client.post("/tasks", data=GOOD.ljust(131072), content_type=JSON).status_code == 201


def test_a_chunked_body_over_the_limit_is_a_413(client: FlaskClient) -> None:
    stream = io.BytesIO(GOOD + b" " * 131072)
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = client.post("/tasks", input_stream=stream, content_type=JSON, environ_overrides=environ)
    problem(answer, 413, "body-too-large")


def test_a_chunked_body_is_read(client: FlaskClient) -> None:
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = client.post("/tasks", input_stream=io.BytesIO(GOOD), content_type=JSON, environ_overrides=environ)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/tasks/", "//tasks", "/tasks/x/y/z", "/static/../app.py", "/static/%00", "/%ff"]
)
def test_an_unknown_path_is_a_404(client: FlaskClient, path: str) -> None:
    problem(client.get(path), 404, "not-found")


@pytest.mark.parametrize("task_id", ["1", "%00", "{x}", NOBODY + "0", NOBODY.replace("-", ""), "%F0%9F%98%80"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_not_a_uuid_is_a_404(client: FlaskClient, method: str, task_id: str) -> None:
    problem(client.open(f"/tasks/{task_id}", method=method), 404, "task-not-found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/tasks", "GET, HEAD, OPTIONS, POST, PUT"),
        ("POST", f"/tasks/{NOBODY}", "DELETE, GET, HEAD, OPTIONS"),
        ("GET", "/tasks/claim", "OPTIONS, POST"),
        ("DELETE", "/tasks/next", "GET, HEAD, OPTIONS"),
        ("DELETE", "/health", "GET, HEAD, OPTIONS"),
        ("POST", "/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_a_405_that_names_the_right_ones(
    client: FlaskClient, method: str, path: str, allow: str
) -> None:
    answer = client.open(path, method=method)
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == allow
