"""Claims for slots, and a recorder of their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from app.clock import now as clock
from app.task import Claim, TaskState

if TYPE_CHECKING:
    from app.outcome import Outcome


PATIENCE_S = 120.0


class Results:
    """Records outcomes and claims handed back."""

    def __init__(self) -> None:
        self.outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self.handed_back: SimpleQueue[Claim] = SimpleQueue()

    def add(self, items: Sequence[Outcome | Claim]) -> None:
        for each in items:
            if isinstance(each, Claim):
                self.handed_back.put(each)
            else:
                self.outcomes.put(each)

    def wait_for(self, count: int) -> dict[str, Outcome]:
        outcomes = [self.outcomes.get(timeout=PATIENCE_S) for _ in range(count)]
        return {each.id: each for each in outcomes}

    def wait_for_unused(self, count: int) -> list[Claim]:
        return [self.handed_back.get(timeout=PATIENCE_S) for _ in range(count)]

    def nothing_more(self) -> bool:
        for queue in (self.outcomes, self.handed_back):
            try:
                queue.get_nowait()
            except Empty:
                continue
            return False
        return True


def claim(task_type: str, timeout_s: float = 5.0, **payload: Any) -> Claim:
    now = datetime.now(UTC)
    return Claim(
        id=str(uuid4()),
        token=str(uuid4()),
        attempt=1,
        max_attempts=1,
        type=task_type,
        payload=msgspec.json.encode(payload).decode(),
        timeout_s=timeout_s,
        execute_at=now,
        asked_at=clock(),
    )


def error(outcome: Outcome) -> str:
    assert outcome.error
    return outcome.error.type


def message(outcome: Outcome) -> str:
    assert outcome.error
    return outcome.error.message


def is_cancelled(outcome: Outcome) -> bool:
    return outcome.state is TaskState.CANCELLED
