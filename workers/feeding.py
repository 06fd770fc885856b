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
    """Where in each type it has come to. Begins anew with a Redis that is new, or was wiped: what is late comes first.

    Two of them, or one that forgot everything, only say again what Redis knows.
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
        self._fed_to: dict[str, Due] = {}
        self._to_feed: list[str] = []
        self._feed_at = float("-inf")
        self.rest_s = 0.0
        """How long it wants to rest now, if there is more to feed."""

    def step(self) -> bool:
        """Feed a page of what is due soon, or a bite of what is not; True when there is more. Types take turns."""
        began_s = self._clock()
        generation = current_generation(self._schedule.redis)
        if generation != self._generation:
            log.info("feeding_the_window", generation=generation)
            self._generation, self._fed_to, self._to_feed, self._feed_at = generation, {}, [], began_s
        if not self._to_feed and began_s < self._feed_at:
            return False
        now = repairs.clock(self._engine)
        until = now + self._window
        if not self._to_feed:
            self._to_feed = self._deliverable(repairs.types_due(self._engine, until=until))
            self._feed_at = began_s + FEED_EVERY_S
        fed, has_time = 0, True
        while self._to_feed and fed < BITE:
            after = self._fed_to.get(self._to_feed[0]) or repairs.beginning(self._to_feed[0])
            has_time = has_time and after.at > now + SOON
            fed += self._feed(after, until, limit=BITE if has_time else PAGE)
        self.rest_s = REST * (self._clock() - began_s) * has_time
        return bool(self._to_feed)

    def _feed(self, after: Due, until: datetime, *, limit: int) -> int:
        """The next of a type, which with more to come goes to the end of the line; how many there were."""
        page = repairs.due_between(self._engine, after=after, until=until, limit=limit)
        self._schedule.add(page)
        if page:
            self._fed_to[after.type] = page[-1]
        self._to_feed = self._to_feed[1:] + [after.type] * (len(page) == limit)
        return len(page)
