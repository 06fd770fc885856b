"""The right to run, for outside workers over HTTP: a claim with a lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import ClaimLost, TaskNotClaimable
from app.ledger import claims, tasks
from app.ledger.statements import fetch
from app.task import Due, Lease, Outcome, Task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Engine

DUE_AT = 19  # the column of lease_due.sql beside those of a lease


def lease_due(engine: Engine, *, worker_id: str, types: Sequence[str], limit: int) -> list[Lease]:
    """Claim up to `limit` tasks of these types, the one due earliest first."""
    asked = {"token": claims.new_token(), "worker_id": worker_id, "types": list(types), "limit": limit}
    rows = sorted(fetch(engine, "lease_due", asked), key=lambda row: (row[DUE_AT], row[0]))
    return [_lease(row) for row in rows]


def lease_one(engine: Engine, task_id: UUID, *, worker_id: str, types: Sequence[str]) -> Lease:
    """Claim this task.

    Raises:
        TaskNotFound, TaskDeleted: there is none to claim.
        TaskNotClaimable: not due, not scheduled, or of a type that our own workers run.
    """
    asked = {"token": claims.new_token(), "worker_id": worker_id, "types": list(types), "id": task_id}
    rows = fetch(engine, "lease_one", asked)
    if rows:
        return _lease(rows[0])
    task = tasks.show(engine, task_id)
    raise TaskNotClaimable(_why_not(task, types), state=task.state, execute_at=task.execute_at)


def extend_lease(engine: Engine, task_id: UUID, token: UUID) -> Lease:
    """Renew the lease of a claim that still holds.

    Raises:
        TaskNotFound: no such id.
        ClaimLost: wrong or expired token.
    """
    rows = fetch(engine, "extend_lease", {"id": task_id, "token": token})
    if rows:
        return _lease(rows[0])
    tasks.get(engine, task_id)
    raise ClaimLost


def finish_lease(engine: Engine, task_id: UUID, outcome: Outcome) -> tuple[Task, list[Due]]:
    """Write how the attempt ended, while its lease holds; the task, and when it is tried again.

    Said again with the same token, for an answer that was lost, it answers the task as it stands.

    Raises:
        TaskNotFound, ClaimLost: as `extend_lease`.
    """
    finished = claims.finish(engine, [outcome])
    task = tasks.get(engine, task_id)
    if finished.fenced:
        raise ClaimLost
    return task, finished.again


def release_lease(engine: Engine, task_id: UUID, token: UUID) -> Task:
    """Give the claim back unused; the attempt is not counted.

    Raises:
        TaskNotFound, ClaimLost: as `extend_lease`.
    """
    released = claims.release(engine, [(str(task_id), str(token))])
    task = tasks.get(engine, task_id)
    if not released:
        raise ClaimLost
    return task


def _why_not(task: Task, types: Sequence[str]) -> str:
    if task.type not in types:
        return f"Tasks of type {task.type} are run by the service's own workers."
    if task.state != "scheduled":
        return f"This task is {task.state}."
    return "This task is not due yet."


def _lease(row: Any) -> Lease:
    return Lease(tasks.as_task(row), claim_token=row[17], lease_expires_at=row[18])
