"""A bug: the deletion is a select, then an update that may take the task from its worker.

Workers finish slowly, so that there is time for the update. A trigger refuses to delete a running task, so it is set
to scheduled first.
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
    """Select, wait, set to scheduled, delete."""
    put_in(take_back=TAKE_BACK)

    def rows(engine: Any, name: str, parameters: Any, **how: Any) -> Any:
        if name != "delete":
            return original_rows(engine, name, parameters, **how)
        read = original_rows(engine, "get", parameters, **how)
        if not read or read[0].state != "scheduled":
            return []
        time.sleep(WINDOW_S)
        statements.execute(engine, "take_back", parameters)
        return original_rows(engine, "delete", parameters, **how)

    def finish(*args: Any) -> Any:
        time.sleep(FINISH_S)
        return original_finish(*args)

    original_rows, original_finish = swap(tasks, "rows", rows), swap(claims, "finish", finish)
