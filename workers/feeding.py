"""Feeding: adds tasks to the due set as they enter the window, with pauses that leave Postgres capacity for workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from app.broker.contents import current_generation
from app.broker.due_set import feed_interval_s
from app.ledger import repairs, server
from app.logs import get_logger
from app.task import EARLIEST

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.task import Due

log = get_logger()

BATCH = 500
SOON = timedelta(seconds=60)  # no pause while tasks due within this time are fed
RESTS_PER_BATCH, MAX_REST_S = 1.0, 0.5
RESYNC_INTERVAL_S = 600.0
ON_ITS_WAY = timedelta(seconds=10)  # tasks due sooner may be in flight and would be delivered twice


class Feeding:
    """Feeds the due set in rounds. A round adds the tasks that came within the window since the last one, by time.

    Tasks created within the window are added by their creator, so a round does not add them again. If Redis is new or
    was wiped, the next round begins with the oldest task. Every ten minutes, and after `resync`, a round adds all tasks
    that cannot be in flight, because some additions may have been lost. Several feeders, or a restarted one, do no
    harm: a task that is delivered twice is claimed once.
    """

    def __init__(
        self, engine: Engine, due_set: DueSet, delivers: Callable[[str], bool], *, window_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`delivers` returns whether a type goes through Redis."""
        self._engine = engine
        self.due_set = due_set
        self._delivers = delivers
        self._window = timedelta(seconds=window_s)
        self._round_interval_s = feed_interval_s(window_s)
        self._clock = clock
        self._generation = ""
        self._since = self._until = EARLIEST
        self._cursors: list[Due] = []  # position of each type that has more in this round, the earliest first
        self._next_round_at_s = self._resync_at_s = float("-inf")
        self.rest_s = 0.0
        """How long to rest before the next batch, in seconds."""

    def resync(self) -> None:
        """Let the next round add all tasks that cannot be in flight: Redis may have missed additions."""
        self._resync_at_s = float("-inf")

    def step(self) -> bool:
        """Feed a batch; return whether there may be more, after `rest_s`."""
        self.rest_s = 0.0
        began_s = self._clock()
        self._start_over_with_a_new_redis(began_s)
        if not self._cursors and began_s < self._next_round_at_s:
            return False
        now = server.clock(self._engine)
        if not self._cursors:
            self._begin_round(began_s, now)
        batch = self._feed() if self._cursors else []
        if not self._cursors:
            self._since = self._until
            return False
        if batch and batch[0].at >= now + SOON:
            self.rest_s = min(MAX_REST_S, RESTS_PER_BATCH * (self._clock() - began_s))
        return True

    def _start_over_with_a_new_redis(self, began_s: float) -> None:
        generation = current_generation(self.due_set.redis)
        if generation != self._generation:
            log.info("feed_restarted", generation=generation)
            self._generation = generation
            self._since = EARLIEST
            self._cursors = []
            self._next_round_at_s = began_s

    def _begin_round(self, began_s: float, now: datetime) -> None:
        if began_s >= self._resync_at_s:
            self._since = min(self._since, now + ON_ITS_WAY)
            self._resync_at_s = began_s + RESYNC_INTERVAL_S
        self._until = now + self._window
        types = repairs.types_due(self._engine, until=self._until)
        self._cursors = [
            repairs.page_start(each, max(self._since, first_at))
            for each, first_at in types.items()
            if self._delivers(each)
        ]
        self._next_round_at_s = began_s + self._round_interval_s

    def _feed(self) -> list[Due]:
        """Feed a batch of the type that is due first; return it."""
        batch = repairs.due_between(self._engine, after=self._cursors[0], until=self._until, limit=BATCH)
        self.due_set.add(batch)
        rest = self._cursors[1:] + batch[-1:] if len(batch) == BATCH else self._cursors[1:]
        self._cursors = sorted(rest, key=lambda cursor: cursor.at)
        return batch
