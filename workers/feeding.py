"""Puts what has come within the window on the schedule, and makes way for what runs tasks meanwhile."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from app.ledger import repairs
from app.operations import FEED_EVERY_S
from app.schedule.generation import current_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from sqlalchemy import Engine

    from app.schedule.schedule import Schedule
    from app.task import Due

log = structlog.get_logger()

PAGE, BITE = 5000, 500
SOON = timedelta(seconds=60)  # what is due by then is not kept waiting: pages, without rests
RESTS_PER_BITE = 1.0  # a rest lasts as long as the bite took


class Feeding:
    """Rounds: each puts on the schedule what has come within the window since the one before.

    What is created within it is announced, and is not said again: it may be on its way by now. With a Redis that is
    new, or was wiped, it begins anew, and of each type what is late comes first. Two of them, or one that forgot
    everything, do no harm: what is delivered twice is claimed once.
    """

    def __init__(
        self, engine: Engine, schedule: Schedule, deliverable: Callable[[Iterable[str]], list[str]], *,
        window_s: float, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`deliverable` says which of some types Redis delivers."""
        self._engine = engine
        self._schedule = schedule
        self._deliverable = deliverable
        self._window = timedelta(seconds=window_s)
        self._clock = clock
        self._generation = ""
        self._since = self._until = repairs.EPOCH
        self._line: list[Due] = []  # where each type goes on that has more in this round
        self._next_round_at_s = float("-inf")
        self.rest_s = 0.0
        """How long it wants to rest now, if there is more to feed."""

    def step(self) -> bool:
        """Feed a page of what is due soon, or a bite of what is not; True when there is more. Types take turns."""
        began_s = self._clock()
        self._begin_anew_with_a_new_redis(began_s)
        if not self._line and began_s < self._next_round_at_s:
            return False
        now = repairs.clock(self._engine)
        if not self._line:
            self._begin_round(began_s, until=now + self._window)
        may_rest = all(place.at >= now + SOON for place in self._line)
        fed = 0
        while self._line and fed < BITE:
            # By where it begins: the first of a type after a wipe is a whole page, whatever is on it.
            fed += self._feed(limit=BITE if self._line[0].at >= now + SOON else PAGE)
        if not self._line:
            self._since = self._until
        self.rest_s = RESTS_PER_BITE * (self._clock() - began_s) if may_rest else 0.0
        return bool(self._line)

    def _begin_anew_with_a_new_redis(self, began_s: float) -> None:
        generation = current_generation(self._schedule.redis)
        if generation != self._generation:
            log.info("feeding_the_window", generation=generation)
            self._generation, self._since, self._line, self._next_round_at_s = generation, repairs.EPOCH, [], began_s

    def _begin_round(self, began_s: float, *, until: datetime) -> None:
        types = self._deliverable(repairs.types_due(self._engine, until=until))
        self._line = [repairs.beginning(each, self._since) for each in types]
        self._until = until
        self._next_round_at_s = began_s + FEED_EVERY_S

    def _feed(self, *, limit: int) -> int:
        """Feed the next of the type whose turn it is; how many it had. With more it goes to the end of the line."""
        page = repairs.due_between(self._engine, after=self._line[0], until=self._until, limit=limit)
        self._schedule.add(page)
        self._line = self._line[1:]
        if len(page) == limit:
            self._line.append(page[-1])
        return len(page)
