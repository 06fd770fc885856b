"""Which migrations this ledger has had, and which the code needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import StatementRefused
from app.ledger.statements import scalars

if TYPE_CHECKING:
    from sqlalchemy import Engine

MIGRATIONS = Path(__file__).parents[2] / "migrations" / "versions"


def needed_version() -> str:
    """The newest migration there is, by the number its file begins with."""
    return max(file.name.partition("_")[0] for file in MIGRATIONS.glob("[0-9]*_*.py"))


def present_version(engine: Engine) -> str | None:
    """The newest migration that was run; None when there never was one.

    Raises:
        LedgerAway: Postgres did not answer in time.
    """
    try:
        versions = scalars(engine, "schema_version")
    except StatementRefused:
        return None
    return str(versions[0]) if versions else None
