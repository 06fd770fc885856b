"""The claims that the pool holds, by task id. Each ends with an outcome or is handed back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from app import outcome
from workers.pool.protocol import Ended

if TYPE_CHECKING:
    from app.outcome import Outcome
    from app.task import Claim
    from workers.pool.pool import DurationStats
    from workers.pool.protocol import Event
    from workers.pool.slot import Slot


class Results(Protocol):
    """Receives outcomes and claims that are handed back."""

    def add(self, items: Sequence[Outcome | Claim]) -> None:
        """Accept outcomes of attempts that are over, and claims whose code has not begun and will not begin here."""


class HeldClaims:
    """Knows which slot holds each claim. Reports each claim once, and then forgets it."""

    def __init__(self, durations: DurationStats, results: Results) -> None:
        self._durations = durations
        self._results = results
        self._slots: dict[str, Slot] = {}

    def hold(self, chunk: Sequence[Claim], slot: Slot) -> None:
        """Record that the slot holds these claims."""
        self._slots.update(dict.fromkeys([claim.id for claim in chunk], slot))

    def slot_of(self, task_id: str) -> Slot | None:
        """Return the slot that runs or will run this task; None if the pool does not hold it."""
        return self._slots.get(task_id)

    def ended(self, slot: Slot, events: Sequence[Event]) -> None:
        """Report the tasks that have ended by these events of their slot, all together."""
        outcomes: list[Outcome] = []
        took_ms = 0.0
        for event in events:
            if not isinstance(event, Ended):
                continue
            claim, result = slot.chunk[event.position], event.result
            if claim is slot.abandoned:  # a thread that returned late; the outcome has been reported
                slot.abandoned = None
                continue
            took_ms += event.took_ms
            if isinstance(result, str):
                outcomes.append(outcome.succeeded(claim.id, claim.token, result))
            else:
                outcomes.append(outcome.failed(claim, result.type, result.message))
        if outcomes:
            self._durations.observe(slot.chunk[0].type, took_ms / len(outcomes), len(outcomes))
            self.end(outcomes)

    def cut_short(self, running: tuple[Claim, float], end: Callable[[Claim], Outcome]) -> None:
        """Report the running task (its claim, and when it began) with the outcome that `end` makes of it."""
        claim, since = running
        self._durations.observe(claim.type, (time.monotonic() - since) * 1000)
        self.end([end(claim)])

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Report these outcomes."""
        for each in outcomes:
            self._slots.pop(each.id, None)
        self._results.add(outcomes)

    def hand_back(self, claims: Sequence[Claim]) -> None:
        """Report that these claims have not begun, and will not."""
        if claims:
            for claim in claims:
                self._slots.pop(claim.id, None)
            self._results.add(claims)
