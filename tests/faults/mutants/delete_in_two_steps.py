"""The deletion reads whether a task waits, and deletes it; workers are slow to finish, so that there is time for it."""

from __future__ import annotations

import time
from typing import Any

from app.ledger import claims, tasks
from tests.faults.mutants.seeding import put_in, swap, text_without

WINDOW_S = 0.03
FINISH_S = 0.06


def seed() -> None:
    """Select, wait, update all columns as they were read."""
    anyway = text_without("delete", " AND state::text = 'scheduled' AND attempt = 0").replace("SET", "SET attempt = 0,")
    put_in(anyway=anyway)

    def rows(engine: Any, name: str, parameters: Any, *, make: Any) -> Any:
        if name != "delete":
            return rows_ours(engine, name, parameters, make=make)
        read = rows_ours(engine, "get", parameters, make=make)
        if not read or read[0].state != "scheduled":
            return []
        time.sleep(WINDOW_S)
        return rows_ours(engine, "anyway", parameters, make=make)

    def finish(*given: Any) -> Any:
        time.sleep(FINISH_S)
        return finish_ours(*given)

    rows_ours, finish_ours = swap(tasks, "rows", rows), swap(claims, "finish", finish)
