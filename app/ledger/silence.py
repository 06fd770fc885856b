"""Notices a Postgres that says nothing at all, so that nobody waits long for it.

A frozen server keeps its connections: its kernel confirms what is sent, and no time limit of ours or of TCP ends the
wait. So whoever waits suspiciously long has the server asked on a new connection. No answer: all connections that wait
are cut, and from then on everybody is refused at once, until the server answers again.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import psycopg
import structlog

from app.errors import LedgerAway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

log = structlog.get_logger()

SUSPICIOUS_S = 2.0
ANSWER_WITHIN_S = 2.0
LOOK_EVERY_S = 0.5


class Silence:
    """Who waits for one server, and whether it is known to be silent."""

    def __init__(self, engine: Engine) -> None:
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._lock = threading.Lock()
        self._waiting: dict[object, tuple[float, Any]] = {}
        self._asked_at = float("-inf")
        self._is_silent = False

    @contextmanager
    def connected(self, engine: Engine) -> Iterator[Connection]:
        """A connection, cut while it is used if the server turns out to be silent.

        Raises:
            LedgerAway: it is known to be.
        """
        if self._is_silent:
            raise LedgerAway
        me, began = object(), time.monotonic()
        self._waiting[me] = began, None
        try:
            with engine.connect() as connection:
                self._waiting[me] = began, connection.connection.dbapi_connection
                try:
                    yield connection
                finally:
                    self._leave(me)  # before the connection may be closed, or used by another
        finally:
            self._leave(me)

    def look(self) -> None:
        """Ask the server when somebody has waited for too long, and go on asking while it is silent."""
        now = time.monotonic()
        oldest = min((began for began, _ in list(self._waiting.values())), default=now)
        if not self._is_silent and (now - oldest < SUSPICIOUS_S or now - self._asked_at < SUSPICIOUS_S):
            return
        self._asked_at = now
        was_silent, self._is_silent = self._is_silent, not answers(self._url)
        if self._is_silent:
            self._cut_all()
        if self._is_silent and not was_silent:
            log.warning("postgres_silent")
        if was_silent and not self._is_silent:
            log.info("postgres_speaks")

    def _leave(self, me: object) -> None:
        with self._lock:
            self._waiting.pop(me, None)

    def _cut_all(self) -> None:
        with self._lock:
            for _, driver in list(self._waiting.values()):
                if driver is not None:
                    with suppress(OSError, psycopg.Error):
                        _cut(driver)


def answers(url: str) -> bool:
    """Whether a server says anything in time, be it that it refuses the connection."""

    async def ask() -> None:
        async with await psycopg.AsyncConnection.connect(url, application_name="punctual silence") as connection:
            await connection.execute("SELECT 1")

    try:
        asyncio.run(asyncio.wait_for(ask(), ANSWER_WITHIN_S))
    except TimeoutError:
        return False
    except (psycopg.Error, OSError):
        return True
    return True


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """As `Silence.connected`, with what this process knows of that server."""
    with _of(engine).connected(engine) as connection:
        yield connection


_known: WeakKeyDictionary[Engine, Silence] = WeakKeyDictionary()
_watched_by: dict[str, int] = {}
_beginning = threading.Lock()


def _of(engine: Engine) -> Silence:
    silence = _known.get(engine)
    if silence is None or _watched_by["pid"] != os.getpid():
        with _beginning:
            silence = _known.setdefault(engine, Silence(engine))
            if _watched_by.get("pid") != os.getpid():
                _watched_by["pid"] = os.getpid()
                threading.Thread(target=_watch_forever, name="silence", daemon=True).start()
    return silence


def _watch_forever() -> None:
    while True:
        time.sleep(LOOK_EVERY_S)
        with _beginning:
            known = list(_known.values())
        for silence in known:
            try:
                silence.look()
            except Exception:
                log.exception("silence_not_looked_into")


def _cut(driver: psycopg.Connection[Any]) -> None:
    """Both directions, on a copy of the descriptor: whoever reads from it hears that the connection is gone."""
    with socket.socket(fileno=os.dup(driver.fileno())) as channel:
        channel.shutdown(socket.SHUT_RDWR)
