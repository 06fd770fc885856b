"""A clock that stands still until it is set, for the processes and for Postgres, in a database of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Engine

DATABASE = "model"
MAX_READS = 900
START = datetime(2030, 1, 1, tzinfo=UTC)

# pg_catalog is searched first unless search_path names it. Named second, it lets these functions take precedence, in
# statements and in defaults of tables, so that the same .sql files use the settable clock.
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
    """Create a database with the settable clock and without tables, next to the one of `url`; return its URL."""
    ours = urlsplit(url)._replace(path=f"/{DATABASE}").geturl()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    with psycopg.connect(ours, autocommit=True) as connection:
        for each in PREPARATIONS:
            connection.execute(each.encode())
    return ours


class Clock:
    """The time of all processes and of Postgres; it passes only by `advance`. Postgres' clock may also be set."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.at = START
        self._ahead_s = 0.0
        self._reads = 0

    def reset(self) -> None:
        """Return to the start."""
        self.at = START
        self.set_postgres(0.0)

    def set_postgres(self, ahead_s: float) -> None:
        """Set Postgres' clock, relative to that of the processes, as a person or a failover does."""
        self._ahead_s = ahead_s
        self.advance(0)

    def advance(self, seconds: float) -> None:
        self._reads = 0
        self.at += timedelta(seconds=seconds)
        with self._engine.connect() as connection:
            connection.execute(text("UPDATE ours.clock SET at = :at"), {"at": self.ahead(self._ahead_s)})

    def seconds(self) -> float:
        """Return seconds since 1970. Successive readings differ, but by less than a millisecond in total."""
        self._reads = min(self._reads + 1, MAX_READS)
        return self.at.timestamp() + self._reads / 1e6

    def postgres_seconds(self) -> float:
        """Return seconds since 1970 by Postgres' clock."""
        return self.seconds() + self._ahead_s

    def ahead(self, seconds: float) -> datetime:
        """Return the instant this number of seconds from now."""
        return self.at + timedelta(seconds=seconds)
