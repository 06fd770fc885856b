"""A bug: the claim trusts the delivery that a task is due."""

from __future__ import annotations

from tests.faults.mutants.seeding import put_in, text_without

DUE = "  AND due_at <= clock_timestamp()\n"


def seed() -> None:
    """Claim without the condition on the clock."""
    put_in(claim=text_without("claim", DUE))
