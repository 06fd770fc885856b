"""Clients that misbehave: sockets that begin a request and do not go on, or never read what they are answered."""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

POST = b"POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def connect(url: str) -> socket.socket:
    """One connection; it waits for an answer for at most ten seconds."""
    address = urlsplit(url)
    return socket.create_connection((str(address.hostname), address.port), timeout=10)


@contextmanager
def connections(url: str, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that have sent these bytes."""
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
    """What comes back until the server closes, or falls silent for a second."""
    with connect(url) as connection:
        connection.sendall(request)
        connection.settimeout(1)
        return b"".join(_pieces(connection))


def ends(waiting: list[socket.socket], seconds: float) -> list[bytes]:
    """What each was sent until the server closed it; those that it did not close in this time are missing."""
    deadline = time.monotonic() + seconds
    heard = dict.fromkeys(waiting, b"")
    closed: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        for each in waiting:
            selector.register(each, selectors.EVENT_READ)
        while len(closed) < len(waiting) and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                piece = _piece(connection)
                heard[connection] += piece
                if not piece:
                    selector.unregister(connection)
                    closed.append(heard[connection])
    return closed


def _pieces(connection: socket.socket) -> Iterator[bytes]:
    while piece := _piece(connection):
        yield piece


def _piece(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except (TimeoutError, ConnectionError):
        return b""
