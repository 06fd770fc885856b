"""Ends a wait for Postgres that nothing else ends: its connection is cut."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator


def cut(driver: psycopg.Connection[Any]) -> None:
    """Both directions, on a copy of the descriptor: whoever reads from it hears that the connection is gone."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(driver.fileno())) as channel:
        channel.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_after(driver: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Whoever waits for an answer in here waits for no longer."""
    late = threading.Timer(seconds, cut, [driver])
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()
