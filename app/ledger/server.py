"""The Postgres server: its clock, its schema and its sessions."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import LedgerUnavailable, TablesMissing
from app.ledger.calls import Effect, call, is_unsuitable, reason
from app.ledger.statements import execute, rows, scalars
from app.postgres_sessions import is_shared

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).parents[2] / "migrations" / "versions"


@dataclass(frozen=True, slots=True)
class Server:
    """The major version of the server, how many connections may be open, and how many are."""

    version: int
    connections: int
    open: int


def server(engine: Engine) -> Server:
    """Query the version and the connections of the server.

    Raises:
        LedgerUnavailable: Postgres did not answer in time.
    """
    return rows(engine, "server", make=Server)[0]


def clock(engine: Engine) -> datetime:
    """Return the time by Postgres' clock, which alone decides what is due.

    Raises:
        LedgerUnavailable: Postgres did not answer in time.
    """
    now: datetime = scalars(engine, "clock")[0]
    return now


def check_writes(engine: Engine) -> None:
    """Check that a session can write, and replace the sessions of this engine if one cannot.

    Raises:
        LedgerReadOnly: no new session can write either.
        LedgerUnavailable: Postgres did not answer in time.
    """
    execute(engine, "check_writes")


def exit_if_unsuitable(engine: Engine, process: str) -> None:
    """Exit with one sentence if this server or database is unsuitable. If Postgres is unavailable, return."""
    try:
        clock(engine)
    except LedgerUnavailable as unavailable:
        if is_unsuitable(unavailable):
            sys.exit(f"The {process} does not start: {reason(unavailable)}")


def missing_rights(engine: Engine) -> list[str]:
    """List the rights that the processes need and the role of this connection lacks, such as `UPDATE on tasks`."""
    return scalars(engine, "rights")


def needed_version() -> str:
    """Return the newest migration that this release has, by the number that its file begins with."""
    return max(file.name.partition("_")[0] for file in MIGRATIONS.glob("[0-9]*_*.py"))


def present_version(engine: Engine) -> str | None:
    """Return the newest migration that was run; None when there never was one.

    Raises:
        LedgerUnavailable: Postgres did not answer in time.
    """
    try:
        versions = scalars(engine, "schema_version")
    except TablesMissing:
        return None
    return str(versions[0]) if versions else None


def in_force(engine: Engine, names: Iterable[str]) -> dict[str, str]:
    """Read the values of these settings on a connection.

    Raises:
        LedgerUnavailable: Postgres did not answer in time.
    """
    return dict(rows(engine, "session", {"names": list(names)}, make=_setting))


def shared(engine: Engine) -> bool:
    """Whether a pooler shares the connections. Raises as `in_force`."""

    def ask(connection: Connection) -> bool:
        driver: Any = connection.connection.dbapi_connection
        return is_shared(driver)

    return call(engine, ask, Effect.READ)


def _setting(*, name: str, setting: str) -> tuple[str, str]:
    return name, setting
