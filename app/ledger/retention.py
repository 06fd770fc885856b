"""How long final tasks are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.ledger.statements import execute

if TYPE_CHECKING:
    from sqlalchemy import Engine


def purge_final(engine: Engine, *, older_than_s: float, limit: int) -> int:
    """Remove up to `limit` tasks that became final so long ago; how many were removed."""
    bounds = {"older_than_s": older_than_s, "limit": limit}
    ended = execute(engine, "purge_tasks", bounds)
    return ended + execute(engine, "purge_deleted", bounds | {"limit": limit - ended})
