"""The RSGI server: requests of granian become requests of Flask; late, short and too many bodies are refused."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Iterable
from typing import Any
from wsgiref.types import WSGIEnvironment

import pytest
from flask import Flask, request

from app.api.errors import handle_errors
from app.api.server import MAX_BUFFERED_BYTES, Bodies, Server, environ_of
from app.errors import BodyTooSlow
from tests.rsgi import Answer, Protocol, scope

LARGE_BYTES = 2 * MAX_BUFFERED_BYTES


def echo(environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
    """Answer with the method and the body, in two parts."""
    start_response("200 OK", [("X", "y")])
    return [environ["REQUEST_METHOD"].encode(), environ["wsgi.input"].read(1000)]


def limit_of(_method: str, path: str) -> int:
    """Return a large limit for one path."""
    return LARGE_BYTES if path == "/large" else 0


def answer(server: Server, protocol: Protocol, *headers: tuple[str, str]) -> Answer:
    asyncio.run(server.__rsgi__(scope(headers), protocol))
    return protocol.answer


def test_a_request_keeps_its_parts() -> None:
    headers = (("content-type", "a/b"), ("content-length", "3"), ("x-a", "1"), ("x-a", "2"))
    given = scope(headers, path="/é", query="a=%20")
    environ = environ_of(given)
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/é"
    assert (environ["QUERY_STRING"], environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("a=%20", "a/b", "3")
    assert (environ["HTTP_X_A"], environ["REMOTE_ADDR"], environ["SERVER_PORT"]) == ("1,2", "::1", "8000")


def test_cookies_and_repeated_content_types_are_not_joined_by_commas() -> None:
    given = (("cookie", "a=1"), ("cookie", "b=2"), ("content-type", "x"), ("content-type", "x"))
    environ = environ_of(scope(given))
    assert (environ["HTTP_COOKIE"], environ["CONTENT_TYPE"]) == ("a=1; b=2", "x")
    assert environ_of(scope([("content-type", "x"), ("content-type", "y")]))["CONTENT_TYPE"] == "x,y"


def test_headers_with_underscores_are_dropped() -> None:
    environ = environ_of(scope([("content_length", "5"), ("x_request_id", "a")]))
    assert not {"CONTENT_LENGTH", "HTTP_CONTENT_LENGTH", "HTTP_X_REQUEST_ID"} & environ.keys()


def test_an_answer_is_sent_in_one_piece() -> None:
    server = Server(echo, threading.Event(), Bodies(limit_of))
    sent = answer(server, Protocol(b"ab", b"c"), ("content-length", "3"))
    assert sent == (200, [("X", "y")], b"POSTabc")


@pytest.mark.parametrize("headers", [[("content-length", "3")], [("transfer-encoding", "chunked")]])
def test_a_body_that_does_not_arrive_times_out(headers: list[tuple[str, str]]) -> None:
    server = Server(echo, threading.Event(), Bodies(limit_of, within_s=0.01))
    with pytest.raises(BodyTooSlow):
        answer(server, Protocol(b"a", ends=False), *headers)


def test_a_late_or_short_body_is_answered_with_a_problem() -> None:
    app = Flask("app.web")
    handle_errors(app)
    app.add_url_rule("/tasks", "read", lambda: str(len(request.get_data())), methods=["POST"])
    server = Server(app, threading.Event(), Bodies(limit_of, within_s=0.01))
    status, _, body = answer(server, Protocol(b"a", ends=False), ("content-length", "3"))
    assert (status, json.loads(body)["type"]) == (408, "/problems/body-too-slow")
    status, _, body = answer(server, Protocol(b"a"), ("content-length", "3"))
    assert (status, json.loads(body)["type"]) == (400, "/problems/body-cut-off")


def test_the_bodies_held_at_once_are_limited() -> None:
    """Bodies are held until the answer. Large ones have a limit of their own."""
    bodies, large = Bodies(limit_of, max_held=10, max_large_held=20), MAX_BUFFERED_BYTES + 1

    async def read(length: int, size: int = 100) -> Any:
        async with bodies.read(Protocol(b"x" * length), size) as body:
            return body

    async def read_beside_others() -> None:
        async with bodies.read(Protocol(b"x" * 8), 100), bodies.read(Protocol(b"x" * 20), large) as others:
            assert others == b"x" * 20
            assert isinstance(await read(3), BodyTooSlow)
            assert await read(2) == b"xx"
            assert isinstance(await read(1, large), BodyTooSlow)

    assert isinstance(asyncio.run(read(11)), BodyTooSlow)
    for _ in range(2):
        asyncio.run(read_beside_others())
    assert asyncio.run(read(10)) == b"x" * 10


@pytest.mark.parametrize(
    ("environ", "size"),
    [
        ({"REQUEST_METHOD": "GET", "CONTENT_LENGTH": "5"}, 0),
        ({"REQUEST_METHOD": "POST"}, 0),
        ({"REQUEST_METHOD": "post", "CONTENT_LENGTH": "5"}, 5),
        ({"REQUEST_METHOD": "PUT", "HTTP_TRANSFER_ENCODING": "chunked"}, MAX_BUFFERED_BYTES + 1),
        ({"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(MAX_BUFFERED_BYTES + 1)}, 0),
        ({"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "9" * 99}, 0),
        ({"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "-1"}, 0),
        (
            {"REQUEST_METHOD": "POST", "PATH_INFO": "/large", "CONTENT_LENGTH": str(2 * MAX_BUFFERED_BYTES)},
            2 * MAX_BUFFERED_BYTES,
        ),
        ({"REQUEST_METHOD": "POST", "PATH_INFO": "/large", "CONTENT_LENGTH": str(2 * MAX_BUFFERED_BYTES + 1)}, 0),
        (
            {"REQUEST_METHOD": "POST", "PATH_INFO": "/large", "HTTP_TRANSFER_ENCODING": "chunked"},
            2 * MAX_BUFFERED_BYTES + 1,
        ),
        ({"REQUEST_METHOD": "POST", "PATH_INFO": "/small", "CONTENT_LENGTH": str(2 * MAX_BUFFERED_BYTES)}, 0),
    ],
)
def test_only_bodies_within_their_limit_are_received(environ: dict[str, Any], size: int) -> None:
    assert Bodies(limit_of).size(environ) == size


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_termination_signal_ends_the_wait_of_requests(number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    stopping = threading.Event()
    try:
        Server(echo, stopping, Bodies(limit_of)).__rsgi_init__(None)
        signal.raise_signal(number)
        assert stopping.wait(5)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
