"""The RSGI server: requests of granian become requests of Flask; late, short and too many bodies are refused."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from wsgiref.types import WSGIEnvironment

import pytest
import structlog
from flask import Flask, request

from app.api.bodies import MAX_BUFFERED_BYTES, Bodies
from app.api.errors import handle_errors
from app.api.server import QUIET_S, THREADS, Server
from app.api.wsgi import environ_of
from app.errors import BodyTooSlow
from tests.rsgi import Answer, Headers, Protocol, scope

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
    raised: list[type[Exception]] = []

    def read(environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
        try:
            return echo(environ, start_response)
        except Exception as error:
            raised.append(type(error))
            raise

    server = Server(read, threading.Event(), Bodies(limit_of, within_s=0.01))
    assert answer(server, Protocol(b"a", ends=False), *headers)[0] == 500
    assert raised == [BodyTooSlow]


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


def crash(*_: object) -> Iterable[bytes]:
    raise ZeroDivisionError("postgresql://user:secret@host")


def answer_nothing(*_: object) -> Iterable[bytes]:
    return []


def answer_nonsense(_: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
    start_response("not a status", [])
    return []


@pytest.mark.parametrize("application", [crash, answer_nothing, answer_nonsense, None])
@pytest.mark.parametrize("given", ["mine", "no id\n", None])
def test_a_crash_outside_of_flask_is_a_problem_and_one_line_in_the_log(
    application: Any, given: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(application, threading.Event(), Bodies(limit_of))
    with structlog.testing.capture_logs() as lines:
        status, headers, body = answer(server, Protocol(b""), *([("x-request-id", given)] if given else []))
    problem, (line,) = json.loads(body), lines
    assert (status, problem["type"], problem["status"]) == (500, "/problems/internal-error", 500)
    assert dict(headers)["Content-Type"] == "application/problem+json"
    assert dict(headers)["X-Request-ID"] == problem["request_id"] == line["request_id"]
    assert (problem["request_id"] == "mine") == (given == "mine")
    assert (line["event"], line["path"]) == ("request_crashed", "/tasks")
    assert b"secret" not in body


def test_a_request_that_cannot_be_read_is_a_problem() -> None:
    class Unreadable(Headers):
        def get(self, _name: str) -> str | None:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")

    given, protocol = scope([]), Protocol(b"")
    given.headers = Unreadable([])
    asyncio.run(Server(echo, threading.Event(), Bodies(limit_of)).__rsgi__(given, protocol))
    assert (protocol.answer[0], json.loads(protocol.answer[2])["type"]) == (500, "/problems/internal-error")


def test_a_request_whose_client_leaves_before_a_thread_is_free_is_not_answered() -> None:
    """No client would receive the answer."""
    blocked, called = threading.Event(), []

    def block(environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
        called.append(environ["PATH_INFO"])
        blocked.wait(10)
        return echo(environ, start_response)

    async def ask_many() -> list[Protocol]:
        server = Server(block, threading.Event(), Bodies(limit_of))
        protocols = [Protocol(b"") for _ in range(THREADS + 2)]
        asking = [
            asyncio.ensure_future(server.__rsgi__(scope([], path=f"/{number}"), each))
            for number, each in enumerate(protocols)
        ]
        await asyncio.sleep(0.01)
        protocols[THREADS].gone.set()
        await asyncio.sleep(0.01)
        blocked.set()
        await asyncio.gather(*asking)
        return protocols

    protocols = asyncio.run(ask_many())
    assert f"/{THREADS}" not in called
    assert [len(each._answers) for each in protocols] == [1] * THREADS + [0, 1]


def test_when_most_connections_are_taken_each_answer_closes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(crowded_files: int) -> list[tuple[str, str]]:
        monkeypatch.setattr("app.api.server.CROWDED_FILES", crowded_files)
        server, protocol, loop = Server(echo, threading.Event(), Bodies(limit_of)), Protocol(b""), SimpleNamespace()
        loop.call_later = lambda *_: None
        server._count_files(loop)
        await server.__rsgi__(scope([]), protocol)
        return protocol.answer[1]

    assert ("Connection", "close") not in asyncio.run(ask(1000))
    assert ("Connection", "close") in asyncio.run(ask(2))


def test_each_answer_of_a_stopping_process_closes_its_connection() -> None:
    stopping = threading.Event()
    server = Server(echo, stopping, Bodies(limit_of))
    assert ("Connection", "close") not in answer(server, Protocol(b""))[1]
    stopping.set()
    assert ("Connection", "close") in answer(server, Protocol(b""))[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("has_served", [False, True])
def test_a_stop_signal_stops_the_server_once_no_more_requests_come(number: signal.Signals, has_served: bool) -> None:  # noqa: FBT001
    stopping, stopped = threading.Event(), []

    async def stop() -> float:
        loop = asyncio.get_running_loop()
        waits_over = asyncio.Event()

        def end() -> None:
            stopped.append(loop.time())
            waits_over.set()

        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, end)
        server = Server(echo, stopping, Bodies(limit_of))
        server.__rsgi_init__(loop)
        if has_served:
            await server.__rsgi__(scope([]), Protocol(b""))
        began = loop.time()
        signal.raise_signal(number)
        await asyncio.sleep(0)
        signal.raise_signal(number)
        await asyncio.wait_for(waits_over.wait(), 30)
        return stopped[0] - began

    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        drained_s = asyncio.run(stop())
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert stopping.is_set()
    assert len(stopped) == 1
    assert (drained_s >= QUIET_S) == has_served
