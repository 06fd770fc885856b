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
REST = 1.0  # after a bite, so many times as long as it took


class Feeding:
    """Rounds: all that has come within the window since the round before. What is created within it is announced.

    With a Redis that is new, or was wiped, it begins anew, and what is late comes first. Two of them, or one that
    forgot everything, only say again what Redis knows.
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
        self._places: list[Due] = []
        self._round_at = float("-inf")
        self.rest_s = 0.0
        """How long it wants to rest now, if there is more to feed."""

    def step(self) -> bool:
        """Feed a page of what is due soon, or a bite of what is not; True when there is more. Types take turns."""
        began_s = self._clock()
        generation = current_generation(self._schedule.redis)
        if generation != self._generation:
            log.info("feeding_the_window", generation=generation)
            self._generation, self._since, self._places, self._round_at = generation, repairs.EPOCH, [], began_s
        if not self._places and began_s < self._round_at:
            return False
        now = repairs.clock(self._engine)
        if not self._places:
            self._begin_round(now + self._window)
            self._round_at = began_s + FEED_EVERY_S
        fed, has_time = 0, True
        while self._places and fed < BITE:
            has_time = has_time and self._places[0].at > now + SOON
            fed += self._feed(limit=BITE if has_time else PAGE)
        if not self._places:
            self._since = self._until
        self.rest_s = REST * (self._clock() - began_s) * has_time
        return bool(self._places)

    def _begin_round(self, until: datetime) -> None:
        self._until = until
        types = self._deliverable(repairs.types_due(self._engine, until=until))
        self._places = [repairs.beginning(each, self._since) for each in types]

    def _feed(self, *, limit: int) -> int:
        """The next of a type, which with more to come goes to the end of the line; how many there were."""
        page = repairs.due_between(self._engine, after=self._places[0], until=self._until, limit=limit)
        self._schedule.add(page)
        self._places = self._places[1:] + page[-1:] * (len(page) == limit)
        return len(page)
