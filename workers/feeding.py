"""Puts what has come within the window on the schedule, and makes way for what runs tasks meanwhile."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from app.broker.generation import current_generation
from app.broker.window import feed_every_s
from app.ledger import repairs
from app.task import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Engine

    from app.broker.schedule import Schedule
    from app.task import Due

log = structlog.get_logger()

BITE = 500
SOON = timedelta(seconds=60)  # what is due by then is not kept waiting: no rests
RESTS_PER_BITE, LONGEST_REST_S = 1.0, 0.5
LOOK_THROUGH_EVERY_S = 600.0
ON_ITS_WAY = timedelta(seconds=10)  # what is due sooner may be in a promoter's hands: it would be delivered twice


class Feeding:
    """Rounds: each puts on the schedule what has come within the window since the one before, what is due first first.

    What is created within the window is announced, so a round does not say it again. When Redis is new or was wiped,
    the next round begins with the oldest task. Every ten minutes, and when Redis was away, it says again what is not on
    its way: not every announcement was heard. Several of these, and one that forgot everything, do no harm: what is
    delivered twice is claimed once.
    """

    def __init__(
        self, engine: Engine, schedule: Schedule, delivers: Callable[[str], bool], *, window_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`delivers` says of a type whether it goes through Redis."""
        self._engine = engine
        self._schedule = schedule
        self._delivers = delivers
        self._window = timedelta(seconds=window_s)
        self._every_s = feed_every_s(window_s)
        self._clock = clock
        self._generation = ""
        self._since = self._until = EPOCH
        self._line: list[Due] = []  # where each type goes on that has more in this round, the earliest first
        self._next_round_at_s = self._look_through_at_s = float("-inf")

    def doubt(self) -> None:
        """Let the next round say again all that is not on its way: Redis did not hear everything."""
        self._look_through_at_s = float("-inf")

    def step(self) -> float | None:
        """Feed a bite; how many seconds to rest before the next, None when there is nothing more to feed."""
        began_s = self._clock()
        self._begin_anew_with_a_new_redis(began_s)
        if not self._line and began_s < self._next_round_at_s:
            return None
        now = repairs.clock(self._engine)
        if not self._line:
            self._begin_round(began_s, now)
        bite = self._feed() if self._line else []
        if not self._line:
            self._since = self._until
            return None
        is_soon = not bite or bite[0].at < now + SOON
        return 0.0 if is_soon else min(LONGEST_REST_S, RESTS_PER_BITE * (self._clock() - began_s))

    def _begin_anew_with_a_new_redis(self, began_s: float) -> None:
        generation = current_generation(self._schedule.redis)
        if generation != self._generation:
            log.info("feeding_the_window", generation=generation)
            self._generation = generation
            self._since = EPOCH
            self._line = []
            self._next_round_at_s = began_s

    def _begin_round(self, began_s: float, now: datetime) -> None:
        if began_s >= self._look_through_at_s:
            self._since = min(self._since, now + ON_ITS_WAY)
            self._look_through_at_s = began_s + LOOK_THROUGH_EVERY_S
        self._until = now + self._window
        types = repairs.types_due(self._engine, until=self._until)
        self._line = [
            repairs.beginning(each, max(self._since, first_at))
            for each, first_at in types.items()
            if self._delivers(each)
        ]
        self._next_round_at_s = began_s + self._every_s

    def _feed(self) -> list[Due]:
        """Feed a bite of the type that is due first; what it held."""
        bite = repairs.due_between(self._engine, after=self._line[0], until=self._until, limit=BITE)
        self._schedule.add(bite)
        rest = self._line[1:] + bite[-1:] if len(bite) == BITE else self._line[1:]
        self._line = sorted(rest, key=lambda place: place.at)
        return bite
