"""Notices a Postgres that says nothing at all, so that nobody waits long for it.

A frozen server keeps its connections: its kernel confirms what is sent, and no time limit of ours or of TCP ends the
wait. So when nothing was heard of it while somebody waited, it is asked. No answer: the connections that wait are cut,
and from then on everybody is refused at once, until it answers again.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import psycopg
import structlog
from sqlalchemy.pool import QueuePool

from app.cutting import cut
from app.errors import LedgerAway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

log = structlog.get_logger()

SUSPICIOUS_S = 2.0
ANSWER_WITHIN_S = 2.0
LOOK_EVERY_S = 0.5


class Silence:
    """Who waits for one server, when it was last heard, and whether it is known to be silent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[object, tuple[float, Any]] = {}
        self._heard_at = self._asked_at = float("-inf")
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
                    self._heard_at = time.monotonic()
                finally:
                    self._leave(me)  # before the connection may be closed, or used by another
        finally:
            self._leave(me)

    def look(self, engine: Engine) -> None:
        """Ask the server when it was not heard while somebody waited, and go on asking while it is silent."""
        now = time.monotonic()
        oldest = min((began for began, _ in list(self._waiting.values())), default=now)
        if not self._is_silent and now - max(oldest, self._heard_at, self._asked_at) < SUSPICIOUS_S:
            return
        self._asked_at = now
        was_silent, self._is_silent = self._is_silent, not answers(engine)
        if self._is_silent:
            self._cut(those_since=time.monotonic() - SUSPICIOUS_S)
        if self._is_silent and not was_silent:
            log.warning("postgres_silent")
        if was_silent and not self._is_silent:
            log.info("postgres_speaks")

    def _leave(self, me: object) -> None:
        with self._lock:
            self._waiting.pop(me, None)

    def _cut(self, *, those_since: float) -> None:
        with self._lock:
            for began, driver in list(self._waiting.values()):
                if driver is not None and began <= those_since:
                    cut(driver)


def answers(engine: Engine) -> bool:
    """Whether a server says anything in time: on a connection of the pool that nobody uses, or on a new one.

    That it refuses is an answer, too. New connections alone may be slow, and old ones alone may be dead.
    """
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    answered, held = threading.Event(), list[Any]()

    def ask_on_an_old_one() -> None:
        with suppress(Exception), engine.connect() as connection:
            held.append(connection.connection.dbapi_connection)
            connection.exec_driver_sql("SELECT 1")
            answered.set()

    def ask_on_a_new_one() -> None:
        if asyncio.run(_ask(url)):
            answered.set()

    asked = [ask_on_a_new_one]
    if isinstance(engine.pool, QueuePool) and engine.pool.checkedin():
        asked.append(ask_on_an_old_one)
    for each in asked:
        threading.Thread(target=each, name="silence-ask", daemon=True).start()
    heard = answered.wait(ANSWER_WITHIN_S)
    for driver in held:
        if not heard:
            cut(driver)
    return heard


async def _ask(url: str) -> bool:
    async def ask() -> None:
        async with await psycopg.AsyncConnection.connect(url, application_name="punctual silence") as connection:
            await connection.execute("SELECT 1")

    try:
        await asyncio.wait_for(ask(), ANSWER_WITHIN_S)
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
            silence = _known.setdefault(engine, Silence())
            if _watched_by.get("pid") != os.getpid():
                _watched_by["pid"] = os.getpid()
                threading.Thread(target=_watch_forever, name="silence", daemon=True).start()
    return silence


def _watch_forever() -> None:
    while True:
        time.sleep(LOOK_EVERY_S)
        with _beginning:
            known = list(_known.items())
        for engine, silence in known:
            try:
                silence.look(engine)
            except Exception:
                log.exception("silence_not_looked_into")
