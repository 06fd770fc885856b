"""Totals of faults and repairs, over all processes since the installation."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from app.ledger.statements import execute, rows

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Counter(StrEnum):
    """The events that are counted."""

    FENCED = "fenced"
    """Outcomes that were refused because their claim was lost."""
    RESCUED = "rescued"
    """Tasks taken from a dead worker, or from one whose lease had expired."""
    RESTORED = "restored"
    """Overdue tasks that Redis did not hold, added to the due set again."""
    HANDED_BACK = "handed_back"
    """Claims that a worker handed back because their code had not begun."""
    CLAIMS_LOST = "claims_lost"
    """Delivered ids that a worker could not claim: claimed by another, over, or gone."""
    CLAIMS_UNANSWERED = "claims_unanswered"
    """Claims that Postgres did not answer; nothing of them ran."""
    REFUSED_JOBS = "refused_jobs"
    """RQ jobs that are not our deliveries; nothing of them ran."""


def add(engine: Engine, counted: Mapping[Counter, int]) -> None:
    """Add to the totals.

    Raises:
        LedgerUnavailable: whether they were added is unknown.
    """
    execute(engine, "add_to_counters", {"names": [str(name) for name in counted], "numbers": list(counted.values())})


def totals(engine: Engine) -> dict[Counter, int]:
    """Return all totals. What processes counted in the last second may be missing."""
    found = dict.fromkeys(Counter, 0)
    known = set(Counter)
    return found | {Counter(name): value for name, value in rows(engine, "counters", make=_total) if name in known}


def _total(*, name: str, value: int) -> tuple[str, int]:
    return name, value
