"""The right to run, for our own workers: claim, finish, hand back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from app.ledger.arrays import array
from app.ledger.statements import fetch
from app.task import Claim, Due, Outcome, TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class Claimed:
    """All outcomes of a claim: `mine` to run; `waiting` to put back; the others are taken or gone."""

    mine: list[Claim]
    waiting: list[Due]


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of outcomes: those whose task is to be tried again, those fenced off; the others are final."""

    again: list[Due]
    fenced: list[str]


def new_token() -> str:
    """A token that no other claim has."""
    return str(uuid4())


def claim(
    engine: Engine, ids: Sequence[str], *, worker_id: str, types: Sequence[str], token: str, asked_at: float
) -> Claimed:
    """Claim those of `ids` that are scheduled, due by Postgres' clock, and of a type in `types`.

    `asked_at` is the worker's own clock, read before the call: a claim older than a silence of the worker is void.

    Raises:
        LedgerAway: whether anything was claimed is unknown; `claimed_by` tells, with the same token.
    """
    asked = {"ids": array(ids), "worker_id": worker_id, "types": list(types), "token": token}
    mine = [_claim(row, token, asked_at) for row in fetch(engine, "claim", asked)]
    if len(mine) == len(ids):
        return Claimed(mine, [])
    won = {each.id for each in mine}
    return Claimed(mine, waiting(engine, [each for each in ids if each not in won]))


def claimed_by(engine: Engine, ids: Sequence[str], token: str) -> list[Claim]:
    """What a claim with this token won, for when its answer was lost: to be handed back, never to be run."""
    rows = fetch(engine, "claimed_by", {"ids": array(ids), "token": token})
    return [_claim(row, token, float("-inf")) for row in rows]


def waiting(engine: Engine, ids: Sequence[str]) -> list[Due]:
    """Those of `ids` that are still scheduled."""
    return [Due(*row) for row in fetch(engine, "waiting", {"ids": array(ids)})]


def finish(engine: Engine, outcomes: Sequence[Outcome]) -> Finished:
    """Write outcomes, each only if its claim still holds.

    Repeating it is harmless: an outcome that stands already, by the same token, counts as written.

    Raises:
        LedgerAway: whether they were written is unknown; call it again.
    """
    held = {"ids": array([each.id for each in outcomes]), "tokens": array([each.token for each in outcomes])}
    values = {
        "results": array([each.result for each in outcomes]),
        "error_types": array([each.error["type"] if each.error else None for each in outcomes]),
        "error_messages": array([each.error["message"] if each.error else None for each in outcomes]),
    }
    rows = fetch(engine, "finish", held | values)
    again = [Due(*row[1:]) for row in rows if row[1]]
    if rows[0][0] == len(outcomes):
        return Finished(again, fenced=[])
    standing = fetch(engine, "finished_by", held)
    written = {each.id for each in again} | {row[0] for row in standing}
    again += [Due(row[0], row[1], row[3]) for row in standing if row[2] == TaskState.SCHEDULED and row[3]]
    return Finished(list(dict.fromkeys(again)), fenced=[each.id for each in outcomes if each.id not in written])


def release(engine: Engine, claims: Sequence[tuple[str, str]]) -> list[Due]:
    """Hand back claims, as (id, token), whose code has not begun; those still held are scheduled again."""
    held = {"ids": array([task_id for task_id, _ in claims]), "tokens": array([token for _, token in claims])}
    return [Due(*row) for row in fetch(engine, "release", held)]


def _claim(row: Any, token: str, asked_at: float) -> Claim:
    return Claim(
        id=row[0],
        type=row[1],
        payload=row[2].encode(),
        attempt=row[3],
        max_attempts=row[4],
        timeout_s=row[5],
        execute_at=row[6],
        token=token,
        asked_at=asked_at,
    )
