"""A bug: an outcome is accepted without the claim token."""

from __future__ import annotations

from tests.faults.mutants.seeding import put_in, text_without

HELD = (
    " AND task.claim_token = outcome.token\n      AND (task.state = 'running')\n          = (outcome.token IS NOT NULL)"
)


def seed() -> None:
    """Finish without the condition on the claim."""
    put_in(finish=text_without("finish", HELD))
