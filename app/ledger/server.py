"""The Postgres server itself: its version, and how many connections it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.ledger.statements import rows, scalars

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class Server:
    """Its major version; connections that may be open at once, and that are."""

    version: int
    connections: int
    open: int


def server(engine: Engine) -> Server:
    """Ask it.

    Raises:
        LedgerAway: it did not answer in time.
    """
    return rows(engine, "server", make=Server)[0]


def missing_rights(engine: Engine) -> list[str]:
    """What the processes need and the role of this connection may not do, like `UPDATE on tasks`."""
    return scalars(engine, "rights")
