"""Runs the `.sql` files: each read once, each one statement, committed by itself."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import psycopg
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from app.errors import LedgerAway, StatementRefused
from app.ledger.silence import connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine

Answer = TypeVar("Answer")
SQL = Path(__file__).parent / "sql"
NO_SUCH_TABLE = "42P01"  # a database that was never migrated
ABOUT_VALUES = {"22", "23", "54"}  # classes of SQLSTATE: data, constraints, too large or too deep
TRIES_AFTER_DEADLOCK = 3


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


@contextmanager
def refusing() -> Iterator[None]:
    """Call by its name what went wrong between us and Postgres.

    Raises:
        LedgerAway: Postgres did not answer, or not in time; whether it acted is unknown.
        StatementRefused: it refused the values, or there is no such table; it did nothing.
    """
    try:
        yield
    except PoolTimeout as trouble:
        raise LedgerAway from trouble
    except (DBAPIError, psycopg.Error) as trouble:
        said = trouble.orig if isinstance(trouble, DBAPIError) else trouble
        state = getattr(said, "sqlstate", None) or ""
        if state[:2] in ABOUT_VALUES or state == NO_SUCH_TABLE:
            raise StatementRefused(str(said)) from trouble
        raise LedgerAway from trouble  # read-only after a failover, shutting down, out of memory, ...


def fetch(engine: Engine, name: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
    """Run one statement and fetch its rows. Raises as `refusing`."""
    return _run(engine, name, parameters, lambda done: done.fetchall())


def execute(engine: Engine, name: str, parameters: Mapping[str, Any] | None = None) -> int:
    """Run one statement that answers no rows; how many rows it changed. Raises as `refusing`."""
    return _run(engine, name, parameters, lambda done: done.rowcount)


def _run(
    engine: Engine, name: str, parameters: Mapping[str, Any] | None, answer: Callable[[psycopg.Cursor[Any]], Answer]
) -> Answer:
    """A deadlock is tried again: of the two, this statement did nothing."""
    for last_try in range(TRIES_AFTER_DEADLOCK, -1, -1):
        with refusing():
            try:
                with connected(engine) as connection:
                    return answer(_execute(connection, name, parameters or {}))
            except psycopg.errors.DeadlockDetected:
                if not last_try:
                    raise
    raise LedgerAway


def _execute(connection: Connection, name: str, parameters: Mapping[str, Any]) -> psycopg.Cursor[Any]:
    """By psycopg itself, on a connection of SQLAlchemy's pool: through SQLAlchemy it takes nearly twice as long."""
    driver = cast("psycopg.Connection[Any]", connection.connection.dbapi_connection)
    try:
        return driver.execute(statement(name), parameters)
    except psycopg.Error:
        if driver.closed:
            with suppress(DBAPIError):
                connection.exec_driver_sql("")  # so SQLAlchemy hears of it, and opens all connections anew
        raise
