"""The deletion reads whether a task waits, and deletes it later, from a worker if need be.

Workers are slow to finish, so that there is time for it. Postgres' trigger refuses to delete a running task, so it is
scheduled first.
"""

from __future__ import annotations

import time
from typing import Any

from app.ledger import claims, statements, tasks
from tests.faults.mutants.seeding import put_in, swap

WINDOW_S = 0.03
FINISH_S = 0.06
TAKE_BACK = "UPDATE tasks SET state = 'scheduled', attempt = 0 WHERE id = %(id)s AND state = 'running'"


def seed() -> None:
    """Select, wait, take back, delete."""
    put_in(take_back=TAKE_BACK)

    def rows(engine: Any, name: str, parameters: Any, *, make: Any) -> Any:
        if name != "delete":
            return rows_ours(engine, name, parameters, make=make)
        read = rows_ours(engine, "get", parameters, make=make)
        if not read or read[0].state != "scheduled":
            return []
        time.sleep(WINDOW_S)
        statements.execute(engine, "take_back", parameters)
        return rows_ours(engine, "delete", parameters, make=make)

    def finish(*given: Any) -> Any:
        time.sleep(FINISH_S)
        return finish_ours(*given)

    rows_ours, finish_ours = swap(tasks, "rows", rows), swap(claims, "finish", finish)
