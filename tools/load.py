"""Load generator for tests and benchmarks: keep-alive connections, served by one thread with a selector.

It implements the part of HTTP/1.1 that the service needs: requests are prepared as bytes, and answers have a
Content-Length. It therefore uses a fraction of the processor time of an HTTP library, which benefits the measurement.
"""

from __future__ import annotations

import math
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

RECEIVE_BYTES = 1 << 18
CONNECT_S = 5.0
TIMEOUT_S = 30.0
PAUSE_S = 0.01
CHECK_S = 0.1
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
CLOSE = b"connection: close"


class Request(NamedTuple):
    """An encoded request (see `post`, `get`); its `tag` is returned with the answer."""

    data: bytes
    tag: Any = None


LAST = Request(b"")
"""Marks the end of the requests."""


class Answer(NamedTuple):
    """The outcome of a request. Without an answer, `status` is None and `body` the reason; the service may have acted.

    `sent_at` is a value of `time.perf_counter`.
    """

    tag: Any
    sent_at: float
    seconds: float
    status: int | None
    body: bytes


@dataclass(slots=True)
class Load:
    """The total time of all answers, the time of each (in seconds), and the counts of statuses."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, share: float) -> float:
        """Return the time in ms that this share of the requests did not exceed."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def post(url: str, path: str, body: bytes) -> bytes:
    """Encode a POST request with a JSON body."""
    host = urlsplit(url).netloc
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + HEAD_END + body


def get(url: str, path: str) -> bytes:
    """Encode a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}".encode() + HEAD_END


def send_all(url: str, requests: Iterator[bytes], *, connections: int) -> Load:
    """Send all requests as fast as they are answered, and count the answers.

    Raises:
        ConnectionError: a request was not answered.
    """
    load, first_at = Load(), math.inf
    for answer in send(lambda: [url], map(Request, requests), connections=connections):
        if answer.status is None:
            raise ConnectionError(answer.body.decode())
        first_at = min(first_at, answer.sent_at)
        load.latencies_s.append(answer.seconds)
        load.statuses[answer.status] += 1
    load.seconds = time.perf_counter() - first_at
    return load


def send(
    urls: Callable[[], Sequence[str]],
    requests: Iterator[Request | None],
    *,
    connections: int,
    timeout_s: float = TIMEOUT_S,
) -> Iterator[Answer]:
    """Send each request once, as soon as a connection is free, and yield the answers as they arrive.

    Connections are distributed over the current `urls`. `requests` controls the rate: it yields None while no request
    is due, and is called again after each answer and at least every PAUSE_S.
    """
    with selectors.DefaultSelector() as selector:
        sender = _Sender(selector, urls, connections, timeout_s)
        try:
            yield from sender.run(requests)
        finally:
            sender.close()


@dataclass(slots=True, eq=False)
class _Connection:
    """A connection, and the request that it carries."""

    number: int
    url: str = ""
    channel: socket.socket | None = None
    request: Request | None = None
    sent_at: float = 0.0
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    received: bytearray = field(default_factory=bytearray)
    is_writing: bool = False  # registered for EVENT_WRITE


class _Sender:
    def __init__(
        self, selector: selectors.BaseSelector, urls: Callable[[], Sequence[str]], connections: int, timeout_s: float
    ) -> None:
        self._selector = selector
        self._urls = urls
        self._timeout_s = timeout_s
        self._connections = [_Connection(number) for number in range(connections)]
        self._idle = self._connections[::-1]
        self._is_last_begun = False
        self._check_at = 0.0

    def run(self, requests: Iterator[Request | None]) -> Iterator[Answer]:
        while True:
            yield from self._begin(requests)
            is_waiting = bool(self._idle) and not self._is_last_begun
            if self._is_last_begun and len(self._idle) == len(self._connections):
                return
            for key, events in self._selector.select(PAUSE_S if is_waiting else CHECK_S):
                answer = self._serve(key.data, events)
                if answer is not None:
                    yield answer
                    yield from self._begin(requests)
            yield from self._expire()

    def close(self) -> None:
        for connection in self._connections:
            self._close(connection)

    def _begin(self, requests: Iterator[Request | None]) -> Sequence[Answer]:
        """Assign requests to idle connections; return answers for those that could not be sent."""
        failed: list[Answer] = []
        while self._idle and not self._is_last_begun:
            request = next(requests, LAST)
            if request is LAST:
                self._is_last_begun = True
            if request is None or request is LAST:
                break
            connection = self._idle.pop()
            connection.request, connection.sent_at = request, time.perf_counter()
            connection.unsent = memoryview(request.data)
            try:
                self._push(connection, self._open(connection))
            except OSError as trouble:
                failed.append(self._fail(connection, request, str(trouble)))
        return failed

    def _open(self, connection: _Connection) -> socket.socket:
        urls = self._urls()
        if not urls:
            raise ConnectionError("no process serves")
        url = urls[connection.number % len(urls)]
        if connection.channel is not None and connection.url == url:
            return connection.channel
        self._close(connection)
        where = urlsplit(url)
        channel = socket.create_connection((where.hostname, where.port), timeout=CONNECT_S)
        channel.setblocking(False)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(channel, selectors.EVENT_READ, connection)
        connection.channel, connection.url = channel, url
        return channel

    def _push(self, connection: _Connection, channel: socket.socket) -> None:
        with suppress(BlockingIOError):
            connection.unsent = connection.unsent[channel.send(connection.unsent) :]
        if connection.is_writing != bool(connection.unsent):
            connection.is_writing = bool(connection.unsent)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.is_writing else 0)
            self._selector.modify(channel, events, connection)

    def _serve(self, connection: _Connection, events: int) -> Answer | None:
        """Send and receive without blocking; return the answer if it is complete."""
        if connection.channel is None:
            return None  # closed since it was selected
        try:
            if events & selectors.EVENT_WRITE:
                self._push(connection, connection.channel)
            return self._receive(connection, connection.channel) if events & selectors.EVENT_READ else None
        except OSError as trouble:
            if connection.request is not None:
                return self._fail(connection, connection.request, str(trouble))
            self._close(connection)  # the service closes idle connections
            return None

    def _receive(self, connection: _Connection, channel: socket.socket) -> Answer | None:
        piece = channel.recv(RECEIVE_BYTES)
        if not piece or connection.request is None:
            raise ConnectionError("the service closed the connection")
        connection.received += piece
        end = connection.received.find(HEAD_END)
        if end < 0:
            return None
        head = bytes(connection.received[:end]).lower()
        at = head.find(LENGTH)
        length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        whole = end + len(HEAD_END) + length
        if len(connection.received) < whole:
            return None
        seconds, body = time.perf_counter() - connection.sent_at, bytes(connection.received[whole - length : whole])
        if CLOSE in head:
            self._close(connection)
        return self._end(connection, connection.request, seconds, int(head[9:12]), body)

    def _expire(self) -> Iterator[Answer]:
        """Fail the requests that have waited too long."""
        now = time.perf_counter()
        if now < self._check_at:
            return
        self._check_at = now + CHECK_S
        for connection in self._connections:
            if connection.request is not None and now - connection.sent_at > self._timeout_s:
                yield self._fail(connection, connection.request, f"no answer for {self._timeout_s:g} s")

    def _fail(self, connection: _Connection, request: Request, why: str) -> Answer:
        self._close(connection)
        return self._end(connection, request, time.perf_counter() - connection.sent_at, None, why.encode())

    def _end(
        self, connection: _Connection, request: Request, seconds: float, status: int | None, body: bytes
    ) -> Answer:
        connection.request = None
        connection.received.clear()
        self._idle.append(connection)
        return Answer(request.tag, connection.sent_at, seconds, status, body)

    def _close(self, connection: _Connection) -> None:
        if connection.channel is not None:
            self._selector.unregister(connection.channel)
            connection.channel.close()
        connection.channel, connection.is_writing = None, False
        connection.received.clear()
