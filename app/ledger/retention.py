"""How long final tasks are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.ledger.statements import execute, fetch
from app.task import TaskState

if TYPE_CHECKING:
    from sqlalchemy import Engine

ENDED = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)


def purge_final(engine: Engine, *, older_than_s: float, limit: int) -> int:
    """Remove up to `limit` tasks that became final so long ago; how many were removed."""
    bounds = {"older_than_s": older_than_s}
    removed = execute(engine, "purge_deleted", bounds | {"limit": limit})
    for state in ENDED:
        for (task_type,) in fetch(engine, "types_in_state", {"state": state}):
            if removed < limit:
                of_one = {"state": state, "type": task_type, "limit": limit - removed}
                removed += execute(engine, "purge_tasks", bounds | of_one)
    return removed
