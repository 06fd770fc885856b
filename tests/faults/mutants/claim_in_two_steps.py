"""A bug: the claim is a select, then an update."""

from __future__ import annotations

import time
from typing import Any

from app.ledger import claims
from tests.faults.mutants.seeding import put_in, swap, text_without

WINDOW_S = 0.3
CHOOSE = """
SELECT id::text, attempt FROM tasks
WHERE id = ANY(%(ids)s::uuid[]) AND state = 'scheduled' AND type = ANY(%(types)s::text[])
  AND due_at <= clock_timestamp()
"""


def seed() -> None:
    """Select, wait, update, as in code that reads the row into an object first."""
    take = (
        text_without("claim")
        .replace("state IS NOT DISTINCT FROM 'scheduled'", "state IN ('scheduled', 'running')")
        .replace("attempt = attempt + 1", "attempt = (%(attempts)s::int[])[array_position(%(ids)s::uuid[], id)] + 1")
    )
    put_in(choose=CHOOSE, take=take)

    def rows(engine: Any, name: str, parameters: Any, **how: Any) -> Any:
        if name != "claim":
            return original(engine, name, parameters, **how)
        chosen = original(engine, "choose", parameters, make=dict)
        time.sleep(WINDOW_S)
        read = {"ids": [row["id"] for row in chosen], "attempts": [row["attempt"] for row in chosen]}
        return original(engine, "take", {**parameters, **read}, **how)

    original = swap(claims, "rows", rows)
