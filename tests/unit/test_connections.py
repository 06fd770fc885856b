"""A blocked call to Postgres is aborted after its time limit."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest

from app.postgres_sessions import abort_after

if TYPE_CHECKING:
    import psycopg


@pytest.fixture
def ours() -> Iterator[socket.socket]:
    """One end of a connection whose other end sends nothing."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        yield ours


def driver(end: socket.socket) -> psycopg.Connection[tuple[object, ...]]:
    return cast("psycopg.Connection[tuple[object, ...]]", end)


def test_a_call_that_takes_too_long_finds_its_connection_closed(ours: socket.socket) -> None:
    with abort_after(driver(ours), 0.05):
        assert ours.recv(1) == b""


def test_a_call_that_is_answered_in_time_keeps_its_connection(ours: socket.socket) -> None:
    with abort_after(driver(ours), 60):
        pass
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        ours.recv(1)
