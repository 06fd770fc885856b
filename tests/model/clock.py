"""A clock that stands until it is set: for Postgres, in a database of its own, and for the processes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Engine

DATABASE = "model"
MOST_READS = 900
BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)

# pg_catalog is searched first only where it is not named: named second, it leaves these functions to us, in statements
# and in the tables' defaults. The same .sql files run, on our time.
PREPARATIONS = (
    "CREATE SCHEMA ours",
    "CREATE TABLE ours.clock (at timestamptz NOT NULL)",
    "INSERT INTO ours.clock VALUES ('2030-01-01T00:00:00Z')",
    "CREATE FUNCTION ours.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT at FROM ours.clock'",
    "CREATE FUNCTION ours.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM ours.clock'",
    "CREATE FUNCTION ours.random() RETURNS float8 LANGUAGE sql VOLATILE AS 'SELECT 0.5::float8'",
    f"ALTER DATABASE {DATABASE} SET search_path = ours, pg_catalog, public",
)


def make_database(url: str) -> str:
    """A database whose clock is ours, beside the one of `url`, without tables; its URL."""
    ours = urlsplit(url)._replace(path=f"/{DATABASE}").geturl()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    with psycopg.connect(ours, autocommit=True) as connection:
        for each in PREPARATIONS:
            connection.execute(each.encode())
    return ours


class Clock:
    """What time it is, for everybody: nobody's time passes unless `set` or `advance` says so."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.at = BEGINNING
        self._reads = 0

    def reset(self) -> None:
        """Begin anew."""
        self.at = BEGINNING
        self.advance(0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._reads = 0
        self.at += timedelta(seconds=seconds)
        with self._engine.connect() as connection:
            connection.execute(text("UPDATE ours.clock SET at = :at"), {"at": self.at})

    def seconds(self) -> float:
        """For what takes a clock as its argument: no two readings are the same, nor a millisecond apart."""
        self._reads = min(self._reads + 1, MOST_READS)
        return self.at.timestamp() + self._reads / 1e6

    def ahead(self, seconds: float) -> datetime:
        """An instant so many seconds from now."""
        return self.at + timedelta(seconds=seconds)
