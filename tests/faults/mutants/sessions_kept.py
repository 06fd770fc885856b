"""A bug: a session that cannot write is returned to the pool and used again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.ledger import calls
from tests.faults.mutants.seeding import swap


def seed() -> None:
    """Never discard a session because it is read-only."""

    def judge(trouble: Exception, **known: Any) -> calls.Verdict:
        verdict: calls.Verdict = original(trouble, **known)
        is_read_only = getattr(calls.said_by(trouble), "sqlstate", None) == calls.READ_ONLY
        return replace(verdict, has_ended=False) if is_read_only else verdict

    original = swap(calls, "judge", judge)
