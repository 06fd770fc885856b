"""Clients that misbehave: sockets that do not complete a request, or do not read the answer."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

POST = b"POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def connect(url: str) -> socket.socket:
    """Open a connection with a timeout of ten seconds."""
    address = urlsplit(url)
    return socket.create_connection((str(address.hostname), address.port), timeout=10)


@contextmanager
def connections(url: str, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Open this number of connections, and send these bytes over each."""
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            made.append(connect(url))
            made[-1].sendall(first)
        yield made
    finally:
        for each in made:
            each.close()


def exchange(url: str, request: bytes) -> bytes:
    """Send a request; return what is received until the server closes or sends nothing for a second."""
    with connect(url) as connection:
        connection.sendall(request)
        connection.settimeout(1)
        return b"".join(_pieces(connection))


def ends(waiting: list[socket.socket], seconds: float) -> list[bytes]:
    """Return what each connection received until the server closed it, for all that are closed in this time."""
    deadline = time.monotonic() + seconds
    received = dict.fromkeys(waiting, b"")
    closed: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        for each in waiting:
            selector.register(each, selectors.EVENT_READ)
        while len(closed) < len(waiting) and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                piece = _piece(connection)
                received[connection] += piece
                if not piece:
                    selector.unregister(connection)
                    closed.append(received[connection])
    return closed


def _pieces(connection: socket.socket) -> Iterator[bytes]:
    while piece := _piece(connection):
        yield piece


def _piece(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except (TimeoutError, ConnectionError):
        return b""
