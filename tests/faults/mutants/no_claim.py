"""A bug: a delivered task is run without a claim."""

from __future__ import annotations

from typing import Any

from app.ledger import claims
from tests.faults.mutants.seeding import put_in, swap

DELIVERED = """
SELECT id::text, type, payload::text, greatest(attempt, 1) AS attempt, max_attempts, timeout_s, execute_at
FROM tasks WHERE id = ANY(%(ids)s::uuid[]) AND type = ANY(%(types)s::text[])
"""


def seed() -> None:
    """Run all delivered tasks, also those that the claim refused."""
    put_in(delivered=DELIVERED)

    def rows(engine: Any, name: str, parameters: Any, **how: Any) -> Any:
        result = original(engine, name, parameters, **how)
        if name == "claim":
            won = {claim.id for claim in result}
            result += [claim for claim in original(engine, "delivered", parameters, **how) if claim.id not in won]
        return result

    original = swap(claims, "rows", rows)
