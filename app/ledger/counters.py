"""How often something went wrong or was put right, added up over all processes and all time."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from app.ledger.statements import execute, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine


class Counter(StrEnum):
    """What is counted."""

    FENCED = "fenced"
    """Outcomes refused, because the claim was lost."""
    RESCUED = "rescued"
    """Tasks taken from a worker that was dead, or whose lease was over."""
    RESTORED = "restored"
    """Overdue tasks that Redis did not know, put back on the schedule."""
    HANDED_BACK = "handed_back"
    """Claims given back by a worker because their code had not begun."""
    CLAIMS_LOST = "claims_lost"
    """Ids that a worker asked for and did not get: taken by another, over, or gone."""
    CLAIMS_UNANSWERED = "claims_unanswered"
    """Claims that Postgres did not answer; nothing of them was run."""
    REFUSED_JOBS = "refused_jobs"
    """RQ jobs that are not envelopes of ours; nothing of them was run."""


def add(engine: Engine, counted: Mapping[Counter, int]) -> None:
    """Add these to the totals.

    Raises:
        LedgerAway: whether they were added is unknown.
    """
    execute(engine, "add_to_counters", {"names": [str(name) for name in counted], "numbers": list(counted.values())})


def totals(engine: Engine) -> dict[Counter, int]:
    """All totals; 0 for what never happened. What processes counted in the last second may be missing."""
    found = dict.fromkeys(Counter, 0)
    known = set(Counter)
    return found | {Counter(name): value for name, value in rows(engine, "counters", make=_total) if name in known}


def _total(*, name: str, value: int) -> tuple[str, int]:
    return name, value
