"""A wait for Postgres has an end where nothing else ends it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, cast

import pytest

from app.cutting import cut_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg


@pytest.fixture
def ours() -> Iterator[socket.socket]:
    """One end of a connection whose other end says nothing."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        yield ours


def driver(end: socket.socket) -> psycopg.Connection[tuple[object, ...]]:
    return cast("psycopg.Connection[tuple[object, ...]]", end)


def test_who_waits_for_too_long_hears_that_the_connection_is_gone(ours: socket.socket) -> None:
    with cut_after(driver(ours), 0.05):
        assert ours.recv(1) == b""


def test_who_is_answered_in_time_keeps_the_connection(ours: socket.socket) -> None:
    with cut_after(driver(ours), 60):
        pass
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        ours.recv(1)
