"""Write-behind buffer for the due set, so that requests never wait for Redis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from app.batching import Batcher
from app.logs import get_logger
from app.task import Due

if TYPE_CHECKING:
    from app.broker.due_set import DueSet

log = get_logger()

MAX_PENDING = 100_000


class Removal(msgspec.Struct, frozen=True):
    """The removal of an id whose task will never run."""

    id: str
    type: str


class DueSetWriter(Batcher[Due | Removal]):
    """Adds ids to the due set and removes them later than the call, from a thread.

    While Redis is unavailable, the last change of each id is kept. A crash loses them, and so does an outage in which
    more than MAX_PENDING ids accumulate; the sweeper then restores the ids.
    """

    name = "due-set-writer"
    max_backoff_s = 0.25
    exit_timeout_s = 0.5

    def __init__(self, due_set: DueSet) -> None:
        super().__init__()
        self._due_set = due_set

    def remove(self, task_type: str, ids: Sequence[str]) -> None:
        """Queue removals."""
        self.add([Removal(each, task_type) for each in ids])

    def flush(self, items: list[Due | Removal]) -> None:
        """Write the last change of each id to Redis. Changes are idempotent; too many are dropped."""
        items[:] = {each.id: each for each in items}.values()
        if len(items) > MAX_PENDING:
            log.warning("due_set_changes_dropped", count=len(items))
            return
        self._due_set.add(each for each in items if isinstance(each, Due))
        removals: defaultdict[str, list[str]] = defaultdict(list)
        for each in items:
            if isinstance(each, Removal):
                removals[each.type].append(each.id)
        for task_type, ids in removals.items():
            self._due_set.remove(task_type, ids)
