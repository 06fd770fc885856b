"""A load generator that costs little: prepared requests over keep-alive connections, one thread, one selector."""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

AT_ONCE = 1 << 18
SILENT_S = 30.0
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


@dataclass(slots=True)
class Load:
    """What came of it: how long all took, how long each took (seconds), and which statuses there were."""

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


@dataclass(slots=True)
class Line:
    """A connection: what it has not sent, what it received of an answer, and when it asked."""

    channel: socket.socket
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    received: bytearray = field(default_factory=bytearray)
    asked_at: float = 0.0


def post(url: str, path: str, body: bytes) -> bytes:
    """A request as it goes over the wire."""
    host = urlsplit(url).netloc
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + HEAD_END + body


def get(url: str, path: str) -> bytes:
    """A request as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}".encode() + HEAD_END


def send_all(url: str, requests: Iterator[bytes], *, connections: int) -> Load:
    """Send all requests, so many at a time, each as soon as an answer leaves a connection free.

    Raises:
        TimeoutError: no answer came for 30 s.
    """
    where, load = urlsplit(url), Load()
    lines = [Line(socket.create_connection((where.hostname, where.port))) for _ in range(connections)]
    with selectors.DefaultSelector() as selector:
        open_lines = 0
        began = time.perf_counter()
        for line in lines:
            line.channel.setblocking(False)
            line.channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(line.channel, selectors.EVENT_READ, line)
            open_lines += _next(selector, line, requests)
        while open_lines:
            ready = selector.select(SILENT_S)
            if not ready:
                raise TimeoutError(f"no answer for {SILENT_S:g} s")
            for key, events in ready:
                if events & selectors.EVENT_WRITE:
                    _send(selector, key.data)
                if events & selectors.EVENT_READ and _receive(key.data, load):
                    open_lines -= not _next(selector, key.data, requests)
        load.seconds = time.perf_counter() - began
    for line in lines:
        line.channel.close()
    return load


def _next(selector: selectors.BaseSelector, line: Line, requests: Iterator[bytes]) -> bool:
    request = next(requests, None)
    if request is None:
        return False
    line.asked_at = time.perf_counter()
    line.unsent = memoryview(request)
    _send(selector, line)
    return True


def _send(selector: selectors.BaseSelector, line: Line) -> None:
    with suppress(BlockingIOError):
        line.unsent = line.unsent[line.channel.send(line.unsent) :]
    wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.unsent else 0)
    if selector.get_key(line.channel).events != wanted:
        selector.modify(line.channel, wanted, line)


def _receive(line: Line, load: Load) -> bool:
    """Whether an answer is complete now."""
    piece = line.channel.recv(AT_ONCE)
    if not piece:
        raise ConnectionError("the service closed the connection")
    line.received += piece
    end = line.received.find(HEAD_END)
    if end < 0:
        return False
    head = bytes(line.received[:end]).lower()
    at = head.find(LENGTH)
    length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    if len(line.received) < end + len(HEAD_END) + length:
        return False
    load.latencies_s.append(time.perf_counter() - line.asked_at)
    load.statuses[int(head[9:12])] += 1
    line.received.clear()
    return True
