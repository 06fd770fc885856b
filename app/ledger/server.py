"""The Postgres server itself: its version, and how many connections it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.ledger.statements import fetch

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
    return Server(*fetch(engine, "server")[0])
