"""Puts what has come within the window on the schedule, and makes way for what runs tasks meanwhile."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from app.ledger import repairs
from app.operations import FEED_EVERY_S
from app.schedule.generation import current_generation
from app.task import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Engine

    from app.schedule.schedule import Schedule
    from app.task import Due

log = structlog.get_logger()

PAGE, BITE = 5000, 500
SOON = timedelta(seconds=60)  # what is due by then is not kept waiting: pages, without rests
RESTS_PER_BITE, LONGEST_REST_S = 1.0, 0.5
LOOK_THROUGH_EVERY_S = 600.0
ON_ITS_WAY = timedelta(seconds=10)  # what is due later is on the schedule, or unknown


class Feeding:
    """Rounds: each puts on the schedule what has come within the window since the one before.

    What is created within it is announced, and is not said again: it may be on its way by now. With a Redis that is
    new, or was wiped, it begins anew. Now and then, and when Redis was away, a round says again all that is not on its
    way: not every announcement was heard. What is due first comes first. Two of them, or one that forgot everything, do
    no harm: what is delivered twice is claimed once.
    """

    def __init__(
        self, engine: Engine, schedule: Schedule, is_deliverable: Callable[[str], bool], *, window_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`is_deliverable` says of a type whether Redis delivers it."""
        self._engine = engine
        self._schedule = schedule
        self._is_deliverable = is_deliverable
        self._window = timedelta(seconds=window_s)
        self._every_s = min(FEED_EVERY_S, window_s / 2)
        self._clock = clock
        self._generation = ""
        self._since = self._until = EPOCH
        self._line: list[Due] = []  # where each type goes on that has more in this round, the earliest first
        self._next_round_at_s = self._look_through_at_s = float("-inf")
        self.rest_s = 0.0
        """How long it wants to rest now, if there is more to feed."""

    def doubt(self) -> None:
        """Let the next round say again all that is not on its way: Redis did not hear everything."""
        self._look_through_at_s = float("-inf")

    def step(self) -> bool:
        """Feed a page of what is due soon, or a bite of what is not; True when there is more."""
        began_s = self._clock()
        self._begin_anew_with_a_new_redis(began_s)
        if not self._line and began_s < self._next_round_at_s:
            return False
        now = repairs.clock(self._engine)
        if not self._line:
            self._begin_round(began_s, now)
        may_rest, fed = True, 0
        while self._line and fed < BITE:
            has_time = self._line[0].at >= now + SOON
            may_rest = may_rest and has_time
            fed += self._feed(limit=BITE if has_time else PAGE)
        if not self._line:
            self._since = self._until
        self.rest_s = min(LONGEST_REST_S, RESTS_PER_BITE * (self._clock() - began_s)) if may_rest else 0.0
        return bool(self._line)

    def _begin_anew_with_a_new_redis(self, began_s: float) -> None:
        generation = current_generation(self._schedule.redis)
        if generation != self._generation:
            log.info("feeding_the_window", generation=generation)
            self._generation, self._since, self._line, self._next_round_at_s = generation, EPOCH, [], began_s

    def _begin_round(self, began_s: float, now: datetime) -> None:
        if began_s >= self._look_through_at_s:
            self._since = min(self._since, now + ON_ITS_WAY)
            self._look_through_at_s = began_s + LOOK_THROUGH_EVERY_S
        self._until = now + self._window
        types = repairs.types_due(self._engine, until=self._until)
        self._line = [
            repairs.beginning(each, max(self._since, first_at))
            for each, first_at in types.items()
            if self._is_deliverable(each)
        ]
        self._next_round_at_s = began_s + self._every_s

    def _feed(self, *, limit: int) -> int:
        """Feed the next of the type that is due first; how many it had."""
        page = repairs.due_between(self._engine, after=self._line[0], until=self._until, limit=limit)
        self._schedule.add(page)
        rest = self._line[1:] + page[-1:] if len(page) == limit else self._line[1:]
        self._line = sorted(rest, key=lambda place: place.at)
        return len(page)
