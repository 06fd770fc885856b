"""Sessions of Postgres: their settings, the checks of a new connection, and when a session is replaced.

A pooler such as PgBouncer in transaction mode runs each transaction on any of its connections to Postgres. Settings and
prepared statements of a session are lost there. psycopg numbers the prepared statements of each connection from zero,
so that the names of different clients collide, and the wrong statement runs without an error. Therefore each new
connection is examined, and nothing is prepared on a shared one.

An idle session may have been ended by the server, a load balancer or a pooler, or its server may have become a standby
in a failover. Therefore a session is replaced before it is used if its socket has received data since the last
statement, if its server is a standby, or if another session of the same generation has failed.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError

from app.logs import get_logger

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.config import Settings

log = get_logger()

OLDEST_POSTGRES = 16
ENCODING = "UTF8"
POOLER_CHECK_TIMEOUT_S = 3.0
# Parts of the error messages of poolers that refuse `options` in a startup message. It is then omitted for some time.
OPTIONS_REFUSED = ("startup parameter", "command-line options")
WITHOUT_OPTIONS_S = 60.0
LOG_INTERVAL_S = 10.0
SESSION = "session"  # key in the `info` of a connection

# For prepared statements that keep their plan. Planning takes a tenth of the time of a statement on 300 tasks, and a
# third of one on a single task. Only for statements that find their tasks by id: without the last two settings, a plan
# that was made while the table was small reads the whole table, and is kept when the table has grown.
KEPT_PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_nestloop": "off"}


class UnsuitableServer(psycopg.OperationalError):
    """This server or database cannot be used with any settings of the session. The message is a sentence."""


class StandbyServer(psycopg.OperationalError):
    """This server is a standby: its data may be old, and it cannot write."""


def session_settings(settings: Settings) -> dict[str, str]:
    """Return the settings that each session requests, in Postgres' units. Some sessions add KEPT_PLANS.

    They override the defaults of the server, the database and the role. A pooler does not pass them on.
    `default_transaction_read_only` is not among them, because operators and platforms use it to stop writes.
    """
    limit_ms = int(settings.database_timeout_s * 1000)
    schema = {"search_path": settings.database_schema} if settings.database_schema else {}
    return schema | {
        "statement_timeout": str(limit_ms),
        "lock_timeout": str(limit_ms // 2),
        "idle_in_transaction_session_timeout": str(limit_ms * 2),
        "idle_session_timeout": "0",
        # Each statement sees what was committed before it, and an update waits for the row instead of failing.
        "default_transaction_isolation": "read committed",
        # The formats that psycopg parses and that the statements use.
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "IntervalStyle": "postgres",
        "extra_float_digits": "1",
        "bytea_output": "hex",
        "standard_conforming_strings": "on",
        "array_nulls": "on",
        # A generic plan that was made while the table was small would scan all of it when it is large.
        "plan_cache_mode": "force_custom_plan",
        # The value for an SSD. With the default of 4, Postgres scans a whole table of ten thousand rows to finish a
        # hundred tasks. JIT compilation costs more here than it saves.
        "random_page_cost": "1.1",
        "jit": "off",
    }


def options(asked: dict[str, str]) -> str:
    """Return these settings as `options` of a startup message."""
    escaped = {name: value.replace(" ", "\\ ") for name, value in asked.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


@dataclass(frozen=True, slots=True)
class Session:
    """One open connection: its collection, its generation, and a poll object that detects data from the server."""

    sessions: Sessions
    generation: int
    news: select.poll

    def end_all(self, why: str) -> None:
        """Have this session and all others of its generation replaced before their next use."""
        self.sessions.end(self.generation, why)


class Sessions:
    """The sessions of one engine, in generations. A generation ends when one of its sessions ends or cannot write."""

    def __init__(self, asked: dict[str, str], *, more_options: str = "") -> None:
        self._asked = asked
        self._options = f"{more_options} {options(asked)}".strip()
        self._schema = asked.get("search_path")
        self._generation = 0
        self._without_options_until = self._logged_at = float("-inf")

    def watch(self, engine: Engine) -> None:
        """Register the hooks that configure, examine and check all connections of this engine."""
        event.listen(engine, "do_connect", self._prepare)
        event.listen(engine, "handle_error", self._learn)
        event.listen(engine, "connect", self._open)
        event.listen(engine, "checkout", self._lend)

    def end(self, generation: int, why: str) -> None:
        """End a generation, unless it has ended already. `why` is the name of an error."""
        if generation != self._generation:
            return
        self._generation += 1
        if time.monotonic() - self._logged_at >= LOG_INTERVAL_S:
            self._logged_at = time.monotonic()
            log.warning("postgres_sessions_replaced", why=why)

    def _prepare(self, _dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]) -> None:
        parameters["options"] = "" if time.monotonic() < self._without_options_until else self._options

    def _learn(self, context: Any) -> None:
        """Omit the options for WITHOUT_OPTIONS_S after a pooler has refused them."""
        if context.connection is None and refuses_options(context.original_exception):
            self._without_options_until = time.monotonic() + WITHOUT_OPTIONS_S
            log.warning("session_settings_refused")

    def _open(self, driver: psycopg.Connection[Any], record: Any) -> None:
        """Examine a new connection, because the server at an address may change.

        Raises:
            UnsuitableServer, StandbyServer, psycopg.Error: it is closed.
        """
        refuse_unsuitable(driver)
        if is_standby(driver):
            raise StandbyServer("this server is a standby")
        with abort_after(driver, POOLER_CHECK_TIMEOUT_S):
            self._examine(driver)
        news = select.poll()
        news.register(driver.fileno(), select.POLLIN | select.POLLPRI)
        record.info[SESSION] = Session(self, self._generation, news)

    def _examine(self, driver: psycopg.Connection[Any]) -> None:
        """Prepare nothing if a pooler shares the connection; else set what `options` could not.

        The environment of the process (PGTZ, PGDATESTYLE) takes precedence over the options, and a server before 17
        refuses options with `transaction_timeout`.
        """
        asked = "SELECT pg_backend_pid(), current_setting('search_path'), current_setting('transaction_timeout', true)"
        found = driver.execute(asked, prepare=False).fetchone()
        pid, search_path, transaction_timeout = found or (None, None, None)
        if self._schema and search_path != self._schema:
            log.error("schema_not_in_force", wanted=self._schema)
            raise psycopg.OperationalError("this connection does not use DATABASE_SCHEMA")
        if pid != driver.info.backend_pid:
            driver.prepare_threshold = None
            return
        wrong = {} if transaction_timeout in {None, "0"} else {"transaction_timeout": "0"}
        for name, value in self._asked.items():
            reported = driver.info.parameter_status(name)
            if reported is not None and reported.partition(",")[0] != value:
                wrong[name] = value
        for each in wrong.items():
            driver.execute("SELECT set_config(%s, %s, false)", each, prepare=False)

    def _lend(self, driver: psycopg.Connection[Any], record: Any, _proxy: object) -> None:
        """Check a connection without a round trip.

        Raises:
            DisconnectionError: SQLAlchemy opens another connection in its place.
        """
        if not self._is_usable(record.info[SESSION], driver):
            raise DisconnectionError("the session has ended, or leads to a server that cannot write")

    def _is_usable(self, session: Session, driver: psycopg.Connection[Any]) -> bool:
        """Return whether this session may be used.

        A server sends nothing between two statements unless it ends the session or its configuration has changed.
        """
        return session.generation == self._generation and not session.news.poll(0) and not is_standby(driver)


def refuse_unsuitable(driver: psycopg.Connection[Any]) -> None:
    """Check the version and the encoding, which the server reported when the connection was opened.

    Raises:
        UnsuitableServer: Postgres is too old, or the database has an encoding that cannot store every text.
    """
    version, encoding = driver.info.server_version // 10_000, driver.info.parameter_status("server_encoding")
    if 0 < version < OLDEST_POSTGRES:
        raise UnsuitableServer(
            f"DATABASE_URL names a server with Postgres {version}; {OLDEST_POSTGRES} is the oldest version that works."
        )
    if encoding not in {None, ENCODING}:
        raise UnsuitableServer(
            f"DATABASE_URL names a database with the encoding {encoding}, which must be {ENCODING}: "
            f"CREATE DATABASE ... ENCODING '{ENCODING}' TEMPLATE template0."
        )


def refuses_options(error: BaseException) -> bool:
    """Return whether a pooler refused a connection because of its `options`."""
    return any(each in str(error) for each in OPTIONS_REFUSED)


def is_standby(driver: psycopg.Connection[Any]) -> bool:
    """Return whether the server's last reply reported it as a standby."""
    return driver.pgconn.parameter_status(b"in_hot_standby") == b"on"


def is_shared(driver: psycopg.Connection[Any]) -> bool:
    """Return whether a pooler shares this connection: the backend is not the one that the login reported.

    Raises:
        psycopg.Error: there was no reply within POOLER_CHECK_TIMEOUT_S; the connection is aborted.
    """
    with abort_after(driver, POOLER_CHECK_TIMEOUT_S):
        answered = driver.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return answered is None or answered[0] != driver.info.backend_pid


def abort(driver: psycopg.Connection[Any]) -> None:
    """Abort a blocked call by shutting down a duplicate of its socket. The blocked read returns the end of file."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(driver.fileno())) as channel:
        channel.shutdown(socket.SHUT_RDWR)


@contextmanager
def abort_after(driver: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Abort the call of the connection in this block if it takes longer."""
    timer = threading.Timer(seconds, abort, [driver])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
