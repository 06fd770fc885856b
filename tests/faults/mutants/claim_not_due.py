"""The claim trusts the delivery about the time."""

from __future__ import annotations

from tests.faults.mutants.seeding import put_in, text_without

DUE = "  AND due_at <= clock_timestamp()\n"


def seed() -> None:
    """No look at the clock."""
    put_in(claim=text_without("claim", DUE))
