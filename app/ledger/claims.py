"""Claims: claim, finish and hand back, for our workers and, with a lease, for outside workers over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec

from app import outcome
from app.errors import ClaimLost, TaskNotClaimable
from app.ledger import tasks
from app.ledger.statements import array, rows
from app.task import Attempt, Claim, Due, Lease, TaskState

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.outcome import Outcome
    from app.task import Task


@dataclass(frozen=True, slots=True)
class Claimed:
    """The result of a claim: `mine` to run, `waiting` to put back. The rest are not available."""

    mine: list[Claim]
    waiting: list[Due]


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of writing outcomes: tasks to be tried again, and ids whose claim was lost. The others are final."""

    again: list[Due]
    fenced: list[str]


class DueSoon(msgspec.Struct, frozen=True):
    """The number of due tasks of a type, and the seconds until the next one is due; None if there is none."""

    type: str
    number: int
    next_s: float | None


class _Stored(msgspec.Struct, frozen=True, gc=False):
    """An outcome that its row holds: `at` is when the task is tried again, None where it is final.

    `finish` returns only the outcomes of tasks that are tried again (or one row of nulls), and how many it has written.
    """

    id: str | None
    type: str | None
    at: datetime | None
    written: int = 0


def new_token() -> str:
    """Return a token that no other claim has."""
    return str(uuid4())


def claim(
    engine: Engine, ids: Sequence[str], *, worker_id: str, types: Sequence[str], token: str, asked_at: float
) -> Claimed:
    """Claim those of `ids` that are scheduled, due by Postgres' clock, and of a type in `types`.

    `asked_at` is the worker's own clock, read before the call: a claim older than a lost run lease is void.

    Raises:
        LedgerUnavailable: whether anything was claimed is unknown; `claimed_by` tells, with the same token.
    """
    asked = {"ids": array(ids), "worker_id": worker_id, "types": list(types), "token": token}
    mine = rows(engine, "claim", asked, make=Claim, constants={"token": token, "asked_at": asked_at})
    if len(mine) == len(ids):
        return Claimed(mine, [])
    won = {each.id for each in mine}
    return Claimed(mine, waiting(engine, [each for each in ids if each not in won]))


def claimed_by(engine: Engine, ids: Sequence[str], token: str) -> list[Claim]:
    """Return the tasks that a claim with this token won, after its answer was lost. Hand them back; never run them."""
    constants = {"token": token, "asked_at": float("-inf")}
    return rows(engine, "claimed_by", {"ids": array(ids), "token": token}, make=Claim, constants=constants)


def waiting(engine: Engine, ids: Sequence[str]) -> list[Due]:
    """Return those of `ids` that are still scheduled."""
    return rows(engine, "waiting", {"ids": array(ids)}, make=Due)


def finish(engine: Engine, outcomes: Sequence[Outcome]) -> Finished:
    """Write outcomes, each only if its claim still holds.

    Repeating it is harmless: an outcome that the row holds already, by the same token, counts as written.

    Raises:
        LedgerUnavailable: whether they were written is unknown; call it again.
    """
    held = outcome_arrays(outcomes)
    stored = rows(engine, "finish", held, make=_Stored)
    fenced: list[str] = []
    if stored[0].written != len(outcomes):
        stored += rows(engine, "finished_by", held, make=_Stored)
        known = {each.id for each in stored}
        fenced = [each.id for each in outcomes if each.id not in known]
    again = [Due(each.id, each.type, each.at) for each in stored if each.id and each.type and each.at]
    return Finished(list(dict.fromkeys(again)), fenced)


def outcome_arrays(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return the parameters of a statement that writes outcomes: an array for each field, all in the same order."""
    errors = [msgspec.json.encode(each.error).decode() if each.error else None for each in outcomes]
    return {
        "ids": array([each.id for each in outcomes]),
        "tokens": array([each.token for each in outcomes]),
        "states": array([each.state for each in outcomes]),
        "results": array([each.result for each in outcomes]),
        "errors": array(errors),
        "retries_in_s": array([None if each.retry_in_s is None else str(each.retry_in_s) for each in outcomes]),
    }


def failed_attempt(engine: Engine, task_id: str, token: str, error_type: str, message: str) -> Outcome:
    """Return the outcome of a failed attempt of which only the id of the task and the token are known.

    Raises:
        TaskNotFound: no such id.
    """
    task = tasks.get(engine, task_id)
    attempt = Attempt(id=task_id, token=token, attempt=task.attempt, max_attempts=task.max_attempts)
    return outcome.failed(attempt, error_type, message)


def hand_back(engine: Engine, claims: Sequence[tuple[str, str]]) -> list[Due]:
    """Hand back claims, as (id, token), whose code has not begun; those still held are scheduled again."""
    held = {"ids": array([task_id for task_id, _ in claims]), "tokens": array([token for _, token in claims])}
    return rows(engine, "hand_back", held, make=Due)


def due_soon(engine: Engine, types: Sequence[str], *, limit: int) -> list[DueSoon]:
    """Return for each of these types the number of due tasks, counted up to `limit`, and when the next one is due."""
    return rows(engine, "due_soon", {"types": list(types), "limit": limit}, make=DueSoon)


def lease_due(engine: Engine, *, worker_id: str, types: Sequence[str], limit: int) -> list[Lease]:
    """Claim up to `limit` tasks of these types, the one due earliest first."""
    asked = {"token": new_token(), "worker_id": worker_id, "types": list(types), "limit": limit}
    return rows(engine, "lease_due", asked, make=Lease.from_row)


def lease_one(engine: Engine, task_id: UUID, *, worker_id: str, types: Sequence[str]) -> Lease:
    """Claim this task.

    Raises:
        TaskNotFound, TaskDeleted: there is none to claim.
        TaskNotClaimable: not due, not scheduled, or of a type that our own workers run.
    """
    asked = {"token": new_token(), "worker_id": worker_id, "types": list(types), "id": task_id}
    for lease in rows(engine, "lease_one", asked, make=Lease.from_row):
        return lease
    task = tasks.show(engine, task_id)
    raise TaskNotClaimable(_why_not(task, types), state=task.state, execute_at=task.execute_at)


def extend_lease(engine: Engine, task_id: UUID, token: UUID) -> tuple[Lease, bool]:
    """Renew the lease of a claim that still holds; return whether the task is to be cancelled.

    Raises:
        TaskNotFound: no such id.
        ClaimLost: wrong token, or one of a claim that has ended.
    """
    for renewed in rows(engine, "extend_lease", {"id": task_id, "token": token}, make=_renewed):
        return renewed
    tasks.get(engine, task_id)
    raise ClaimLost


def finish_lease(engine: Engine, outcome: Outcome) -> tuple[Task, list[Due]]:
    """Write the outcome while the claim holds; return the task, and when it is tried again.

    If the call is repeated with the same token because its answer was lost, it returns the task as it is.

    Raises:
        TaskNotFound, ClaimLost: as `extend_lease`.
    """
    finished = finish(engine, [outcome])
    task = tasks.get(engine, outcome.id)
    if finished.fenced:
        raise ClaimLost
    return task, finished.again


def hand_back_lease(engine: Engine, task_id: UUID, token: UUID) -> Task:
    """Hand back an unused claim; the attempt is not counted.

    Raises:
        TaskNotFound, ClaimLost: as `extend_lease`.
    """
    handed_back = hand_back(engine, [(str(task_id), str(token))])
    task = tasks.get(engine, task_id)
    if not handed_back:
        raise ClaimLost
    return task


def _renewed(*, cancel_requested: bool, **columns: Any) -> tuple[Lease, bool]:
    return Lease.from_row(**columns), cancel_requested


def _why_not(task: Task, types: Sequence[str]) -> str:
    if task.type not in types:
        return f"Tasks of type {task.type} are run by the service's own workers."
    if task.state is not TaskState.SCHEDULED:
        return f"This task is {task.state}."
    return "This task is not due yet."
