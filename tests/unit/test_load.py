"""The load generator of tests and benchmarks: each request is sent once and has one answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from local.ports import free_port
from tools.load import Answer, Request, get, post, send, send_all

ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"
LAST_ANSWER = b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Sends the answer that `answer` returns for a request; b"" closes the connection, None sends nothing."""

    def __init__(self, answer: Callable[[bytes], bytes | None], *, closes: bool) -> None:
        self.connections = self.closed = 0
        self.requests: list[bytes] = []
        self._answer, self._closes = answer, closes
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                channel, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(channel,), daemon=True).start()

    def _serve(self, channel: socket.socket) -> None:
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with channel:
            while request := channel.recv(1 << 20):
                self.requests.append(request)
                answer = self._answer(request)
                if answer == b"":
                    return
                for at in range(0, len(answer or b""), 20):  # in pieces
                    channel.sendall((answer or b"")[at : at + 20])
                if self._closes:
                    break
        self.closed += 1


@contextmanager
def serving(answer: Callable[[bytes], bytes | None] = lambda _: ANSWER, *, closes: bool = False) -> Iterator[Server]:
    """Run a server on a free port, which closes each connection after an answer or keeps it."""
    server = Server(answer, closes=closes)
    yield server
    server.close()


def requests(server: Server, count: int) -> Iterator[Request]:
    return (Request(get(server.url, f"/{number}"), number) for number in range(count))


def collect(server: Server, count: int, connections: int = 1, timeout_s: float = 5.0) -> list[Answer]:
    return list(send(lambda: [server.url], requests(server, count), connections=connections, timeout_s=timeout_s))


def test_every_request_is_sent_once_and_answered_with_its_tag() -> None:
    with serving() as server:
        answers = collect(server, 200, connections=4)
        assert sorted(each.tag for each in answers) == list(range(200))
        assert {(each.status, each.body) for each in answers} == {(201, b"ok")}
        assert all(each.seconds > 0 for each in answers)
        assert sorted(server.requests) == sorted(each.data for each in requests(server, 200))
        assert server.connections == 4, "connections are reused"


def test_a_body_larger_than_any_buffer_arrives_whole() -> None:
    size = 5_000_000
    arrived = 0

    def answer(piece: bytes) -> bytes | None:
        nonlocal arrived
        arrived += len(piece)
        return ANSWER if arrived >= size else None

    with serving(answer) as server:
        load = send_all(server.url, iter([post(server.url, "/tasks", b"x" * size)]), connections=1)
        assert load.statuses == {201: 1}


def test_an_unanswered_request_is_reported_and_not_sent_again() -> None:
    with serving(lambda request: b"" if request.startswith(b"GET /3 ") else ANSWER) as server:
        answers = collect(server, 10)
        assert [each.status for each in answers] == [201] * 3 + [None] + [201] * 6
        assert b"closed" in answers[3].body
        assert len(server.requests) == 10


def test_a_request_that_waits_too_long_times_out() -> None:
    with serving(lambda request: None if request.startswith(b"GET /0 ") else ANSWER) as server:
        answers = collect(server, 3, timeout_s=0.2)
        assert [each.status for each in answers] == [None, 201, 201]
        assert answers[0].body == b"no answer for 0.2 s"
        assert answers[0].seconds > 0.2


def test_every_request_to_a_missing_service_fails() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    three = [Request(get(url, "/"))] * 3
    assert [each.status for each in send(lambda: [url], iter(three), connections=1)] == [None] * 3
    assert {each.body for each in send(list, iter(three), connections=1)} == {b"no process serves"}
    with pytest.raises(ConnectionError):
        send_all(url, iter([get(url, "/")]), connections=1)


def test_a_connection_that_the_service_closed_is_opened_again() -> None:
    with serving(lambda _: LAST_ANSWER, closes=True) as server:
        assert [each.status for each in collect(server, 5)] == [201] * 5
        assert server.connections == 5


def test_an_idle_connection_may_be_closed() -> None:
    def paced() -> Iterator[Request | None]:
        yield Request(get(server.url, "/"))
        until = time.monotonic() + 0.1
        while time.monotonic() < until or not server.closed:
            yield None
        yield Request(get(server.url, "/"))

    with serving(closes=True) as server:
        answers = list(send(lambda: [server.url], paced(), connections=1))
        assert [each.status for each in answers] == [201, 201]
        assert server.connections == 2


def test_connections_are_spread_over_the_processes_that_serve() -> None:
    def until_all_moved() -> Iterator[Request]:
        yield from requests(one, 100)
        deadline = time.monotonic() + 10
        while two.connections < 4 and time.monotonic() < deadline:  # a slow answer keeps a connection to the first
            yield Request(get(one.url, "/"))

    with serving() as one, serving() as two:
        urls = [one.url, two.url]
        statuses = []
        for answer in send(lambda: urls, until_all_moved(), connections=4):
            statuses.append(answer.status)
            if len(statuses) == 4:
                urls.remove(one.url)
        assert len(statuses) >= 100
        assert set(statuses) == {201}
        assert (one.connections, two.connections) == (2, 4)
        assert len(one.requests) < 50 < len(two.requests)


def test_the_requests_set_the_pace() -> None:
    began = time.perf_counter()

    def paced() -> Iterator[Request | None]:
        for number in range(5):
            while time.perf_counter() < began + number * 0.1:
                yield None
            yield Request(get(server.url, "/"))

    with serving() as server:
        sent_at = [each.sent_at for each in send(lambda: [server.url], paced(), connections=2)]
        assert len(sent_at) == 5
        assert all(at >= began + number * 0.1 for number, at in enumerate(sent_at))


def test_a_load_counts_statuses_and_time() -> None:
    with serving(lambda request: ANSWER.replace(b"201", b"503") if b"/odd" in request else ANSWER) as server:
        load = send_all(server.url, iter([get(server.url, "/odd"), *[get(server.url, "/")] * 9]), connections=2)
        assert load.statuses == {503: 1, 201: 9}
        assert load.per_second == pytest.approx(10 / load.seconds)
        assert 0 < load.percentile_ms(0.5) <= load.percentile_ms(0.99) == max(load.latencies_s) * 1000
