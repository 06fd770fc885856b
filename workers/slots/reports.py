"""From what slots say to what their listener hears: outcomes, and how long tasks take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app import outcome
from workers.slots.protocol import Ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.outcome import Outcome
    from app.task import Claim
    from workers.slots.listener import Listener
    from workers.slots.pace import Pace
    from workers.slots.protocol import Event
    from workers.slots.slot import Slot


class Reports:
    """Each task that began is reported once."""

    def __init__(self, pace: Pace, listener: Listener) -> None:
        self._pace = pace
        self._listener = listener

    def ended(self, slot: Slot, events: Sequence[Event]) -> None:
        """Tasks are over, as the slot says; all of them are told together."""
        outcomes: list[Outcome] = []
        took_ms = 0.0
        for event in events:
            if not isinstance(event, Ended):
                continue
            if event.index == slot.timed_out:  # a thread that came back after its time: its outcome was written
                slot.timed_out = None
                continue
            claim = slot.chunk[event.index]
            took_ms += event.took_ms
            outcomes.append(_outcome(claim, event))
        if outcomes:
            self._pace.observe(slot.chunk[0].type, took_ms / len(outcomes), len(outcomes))
            self._listener.ended(outcomes)

    def cut_short(self, slot: Slot, running: tuple[int, float], error: tuple[str, str]) -> None:
        """The task that runs, by position and when it began, ends with this error."""
        index, since = running
        claim = slot.chunk[index]
        self._pace.observe(claim.type, (time.monotonic() - since) * 1000)
        self._listener.ended([outcome.failed(claim, *error)])


def _outcome(claim: Claim, event: Ended) -> Outcome:
    if event.error:
        return outcome.failed(claim, *event.error)
    return outcome.succeeded(claim.id, claim.token, event.result or "null")
