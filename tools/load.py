"""Load generator for tests and benchmarks: keep-alive connections, served by one thread with a selector.

It speaks as much HTTP/1.1 as a service of ours nearby needs: requests are prepared as bytes, and answers have a
Content-Length. So it takes a fraction of the processor time of an HTTP library, and leaves it to what is measured.
"""

from __future__ import annotations

import math
import selectors
import socket
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RECEIVE_BYTES = 1 << 18
CONNECT_S = 5.0
TIMEOUT_S = 30.0
PAUSE_S = 0.01
CHECK_S = 0.1
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
CLOSE = b"connection: close"


class Request(NamedTuple):
    """A request as it goes over the wire (see `post`, `get`); its `tag` comes back with the answer."""

    data: bytes
    tag: Any = None


LAST = Request(b"")
"""Stands for the end of the requests."""


class Answer(NamedTuple):
    """What came of a request. Without an answer `status` is None and `body` says why; the service may have acted.

    `sent_at` is by `time.perf_counter`.
    """

    tag: Any
    sent_at: float
    seconds: float
    status: int | None
    body: bytes


@dataclass(slots=True)
class Load:
    """Answers counted: the time for all of them, the time for each (seconds), and the statuses."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, share: float) -> float:
        """How long that share of the requests took at most."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def post(url: str, path: str, body: bytes) -> bytes:
    """A request as it goes over the wire."""
    host = urlsplit(url).netloc
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + HEAD_END + body


def get(url: str, path: str) -> bytes:
    """A request as it goes over the wire."""
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
    """Send each request once, as soon as one of the connections is free, and yield the answers as they come.

    Connections are spread over the processes that serve at `urls` at the moment. `requests` sets the pace: it yields
    None while nothing is due, and is asked again after each answer and at least every PAUSE_S.
    """
    with selectors.DefaultSelector() as selector:
        sender = _Sender(selector, urls, connections, timeout_s)
        try:
            yield from sender.run(requests)
        finally:
            sender.close()


@dataclass(slots=True, eq=False)
class _Line:
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
        self._lines = [_Line(number) for number in range(connections)]
        self._idle = self._lines[::-1]
        self._is_last_begun = False
        self._check_at = 0.0

    def run(self, requests: Iterator[Request | None]) -> Iterator[Answer]:
        while True:
            yield from self._begin(requests)
            is_waiting = bool(self._idle) and not self._is_last_begun
            if self._is_last_begun and len(self._idle) == len(self._lines):
                return
            for key, events in self._selector.select(PAUSE_S if is_waiting else CHECK_S):
                answer = self._serve(key.data, events)
                if answer is not None:
                    yield answer
                    yield from self._begin(requests)
            yield from self._give_up()

    def close(self) -> None:
        for line in self._lines:
            self._close(line)

    def _begin(self, requests: Iterator[Request | None]) -> Sequence[Answer]:
        """Give requests to idle lines; answers for those that could not be sent."""
        failed: list[Answer] = []
        while self._idle and not self._is_last_begun:
            request = next(requests, LAST)
            if request is LAST:
                self._is_last_begun = True
            if request is None or request is LAST:
                break
            line = self._idle.pop()
            line.request, line.sent_at = request, time.perf_counter()
            line.unsent = memoryview(request.data)
            try:
                self._push(line, self._open(line))
            except OSError as trouble:
                failed.append(self._fail(line, request, str(trouble)))
        return failed

    def _open(self, line: _Line) -> socket.socket:
        urls = self._urls()
        if not urls:
            raise ConnectionError("no process serves")
        url = urls[line.number % len(urls)]
        if line.channel is not None and line.url == url:
            return line.channel
        self._close(line)
        where = urlsplit(url)
        channel = socket.create_connection((where.hostname, where.port), timeout=CONNECT_S)
        channel.setblocking(False)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(channel, selectors.EVENT_READ, line)
        line.channel, line.url = channel, url
        return channel

    def _push(self, line: _Line, channel: socket.socket) -> None:
        with suppress(BlockingIOError):
            line.unsent = line.unsent[channel.send(line.unsent) :]
        if line.is_writing != bool(line.unsent):
            line.is_writing = bool(line.unsent)
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.is_writing else 0)
            self._selector.modify(channel, wanted, line)

    def _serve(self, line: _Line, events: int) -> Answer | None:
        """Send and receive what is possible now; the answer if it is complete."""
        if line.channel is None:
            return None  # closed since it was selected
        try:
            if events & selectors.EVENT_WRITE:
                self._push(line, line.channel)
            return self._receive(line, line.channel) if events & selectors.EVENT_READ else None
        except OSError as trouble:
            if line.request is not None:
                return self._fail(line, line.request, str(trouble))
            self._close(line)  # the service does not keep idle connections for ever
            return None

    def _receive(self, line: _Line, channel: socket.socket) -> Answer | None:
        piece = channel.recv(RECEIVE_BYTES)
        if not piece or line.request is None:
            raise ConnectionError("the service closed the connection")
        line.received += piece
        end = line.received.find(HEAD_END)
        if end < 0:
            return None
        head = bytes(line.received[:end]).lower()
        at = head.find(LENGTH)
        length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        whole = end + len(HEAD_END) + length
        if len(line.received) < whole:
            return None
        seconds, body = time.perf_counter() - line.sent_at, bytes(line.received[whole - length : whole])
        if CLOSE in head:
            self._close(line)
        return self._end(line, line.request, seconds, int(head[9:12]), body)

    def _give_up(self) -> Iterator[Answer]:
        """Fail the requests that have waited too long."""
        now = time.perf_counter()
        if now < self._check_at:
            return
        self._check_at = now + CHECK_S
        for line in self._lines:
            if line.request is not None and now - line.sent_at > self._timeout_s:
                yield self._fail(line, line.request, f"no answer for {self._timeout_s:g} s")

    def _fail(self, line: _Line, request: Request, why: str) -> Answer:
        self._close(line)
        return self._end(line, request, time.perf_counter() - line.sent_at, None, why.encode())

    def _end(self, line: _Line, request: Request, seconds: float, status: int | None, body: bytes) -> Answer:
        line.request = None
        line.received.clear()
        self._idle.append(line)
        return Answer(request.tag, line.sent_at, seconds, status, body)

    def _close(self, line: _Line) -> None:
        if line.channel is not None:
            self._selector.unregister(line.channel)
            line.channel.close()
        line.channel, line.is_writing = None, False
        line.received.clear()
