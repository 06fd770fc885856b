"""Every answer has an id, safe headers and one line in the log. Every error is a problem+json."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from app.api.errors import all_problems
from tests.integration.api_calls import UNKNOWN_ID, body, create, problem

if TYPE_CHECKING:
    from flask.testing import FlaskClient

PATHS = ("/health", "/tasks", f"/tasks/{UNKNOWN_ID}", "/nope", "/types", "/openapi.json", "/docs", "/problems/", "/rq/")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the log lines since the last call."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_safe_for_caches_and_browsers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers
    assert UUID(headers["X-Request-ID"])


def test_a_request_keeps_its_own_id(client: FlaskClient) -> None:
    answer = client.get("/nope", headers={"X-Request-ID": "my-id.1"})
    assert answer.headers["X-Request-ID"] == body(answer)["request_id"] == "my-id.1"


@pytest.mark.parametrize("given", ["", "a b", "<script>", "x" * 129, "é"])
def test_an_invalid_request_id_is_replaced(client: FlaskClient, given: str) -> None:
    assert UUID(client.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"])


def test_a_request_is_one_line_in_the_log(
    client_with: Callable[..., FlaskClient], capsys: pytest.CaptureFixture[str]
) -> None:
    logged = client_with()
    task = create(logged)
    logged.get(f"/tasks/{task['id']}", headers={"X-Request-ID": "mine"})
    logged.get("/nope")
    made, shown, unknown = lines(capsys)
    assert (made["method"], made["route"], made["status"], made["task_id"]) == ("POST", "/tasks", 201, task["id"])
    assert (shown["route"], shown["task_id"], shown["request_id"]) == ("/tasks/<task:task_id>", task["id"], "mine")
    assert (unknown["route"], unknown["status"], unknown["process"]) == (None, 404, "web")
    assert all(line["ms"] >= 0 for line in (made, shown, unknown))


def test_a_crash_is_logged_in_full_and_hidden_from_the_caller(
    client_with: Callable[..., FlaskClient], capsys: pytest.CaptureFixture[str]
) -> None:
    logged = client_with()

    def crash() -> str:
        raise ZeroDivisionError("postgresql://user:secret@host")

    logged.application.add_url_rule("/crash", "crash", crash)
    answer = logged.get("/crash")
    assert problem(answer, 500, "internal-error") == {}
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
    event, line = lines(capsys)
    assert event["event"] == "request_crashed"
    assert "ZeroDivisionError" in event["exception"]
    assert event["request_id"] == line["request_id"] == answer.headers["X-Request-ID"]


def test_errors_of_flask_itself_are_problems(client_with: Callable[..., FlaskClient]) -> None:
    logged = client_with()

    def teapot() -> str:
        from werkzeug.exceptions import ImATeapot

        raise ImATeapot

    logged.application.add_url_rule("/teapot", "teapot", teapot)
    problem(logged.get("/teapot"), 418, "http-error")


@pytest.mark.parametrize("slug", [each.slug for each in all_problems()])
def test_every_problem_has_a_page(client: FlaskClient, slug: str) -> None:
    answer = client.get(f"/problems/{slug}")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/html")
    assert f"/problems/{slug}" in client.get("/problems/").text
    assert "`" not in answer.text
    assert "style-src 'self'" in answer.headers["Content-Security-Policy"]


def test_there_is_no_page_for_an_unknown_problem(client: FlaskClient) -> None:
    problem(client.get("/problems/nope"), 404, "not-found")


def test_options_and_head_are_answered(client: FlaskClient) -> None:
    assert set(client.options("/tasks").allow) == {"GET", "HEAD", "OPTIONS", "POST", "PUT"}
    answer = client.head("/tasks")
    assert (answer.status_code, answer.data) == (200, b"")
