"""Repairs: restores what Redis lost, rescues what a dead worker held, feeds the near window; any number may run."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import ResponseError

from app.config import Settings, read_settings
from app.connections import connect_postgres, connect_redis
from app.ledger import repairs
from app.ledger.counters import Counter
from app.logs import configure_logs
from app.operations import FEED_EVERY_S
from app.schedule.generation import current_generation
from app.schedule.mending import mend
from app.schedule.schedule import Schedule
from app.tally import Tally
from app.task import Due
from app.task_types import TaskTypes, load_task_types
from workers.loop import repeat, stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from redis import Redis
    from sqlalchemy import Engine

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
SWEEP_EVERY_S = 2.0
OVERDUE_AFTER_S = 1.0
PAGE = 5000
RESCUE_AT_ONCE = 500
NICE = 5  # what repairs and feeds lets go first what runs tasks


class Sweeper:
    """Everything it does may be done twice, or by two of them at once, without harm."""

    def __init__(
        self, engine: Engine, redis: Redis, types: TaskTypes, settings: Settings, *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._tally = Tally(engine)
        self._redis = redis
        self._schedule = Schedule(redis)
        self._types = types
        self._clock = clock
        self._window = timedelta(seconds=settings.schedule_window_s)
        self._dead_after_s = settings.worker_dead_after_s
        self._generation = ""
        self._fed_to: dict[str, Due] = {}
        self._to_feed: list[str] = []
        self._looked_to: dict[str, Due] = {}
        self._feed_at = self._sweep_at = float("-inf")

    def step(self) -> bool:
        """One look; True when there is more to repair already. Rescue comes first: it needs no Redis."""
        now_s = self._clock()
        try:
            return self._sweep(now_s)
        except ResponseError:
            mend(self._redis, types=self._types.names, queues={each.queue for each in self._types.delivered})
            raise

    def _sweep(self, now_s: float) -> bool:
        is_time = now_s >= self._sweep_at
        if is_time:
            self._sweep_at = now_s + SWEEP_EVERY_S
        more_to_rescue = is_time and self.rescue()
        more_to_feed = self.feed(now_s=now_s)
        if is_time:
            self.restore()
        if more_to_rescue:
            self._sweep_at = now_s
        return more_to_rescue or more_to_feed

    def feed(self, *, now_s: float) -> bool:
        """Put what has come within the window on the schedule, about a page at a time; True when there is more.

        In a Redis that is new, or was wiped, the window is fed from its beginning: what is late comes first. Types take
        turns.
        """
        generation = current_generation(self._redis)
        if generation != self._generation:
            log.info("feeding_the_window", generation=generation)
            self._generation, self._fed_to, self._to_feed, self._feed_at = generation, {}, [], now_s
        if not self._to_feed and now_s < self._feed_at:
            return False
        until = repairs.clock(self._engine) + self._window
        if not self._to_feed:
            self._to_feed = self._deliverable(repairs.types_due(self._engine, until=until))
            self._feed_at = now_s + FEED_EVERY_S
        fed = 0
        while self._to_feed and fed < PAGE:
            fed += self._feed_page(self._to_feed[0], until)
        return bool(self._to_feed)

    def _feed_page(self, task_type: str, until: datetime) -> int:
        """The next page of a type, with more to come it goes to the end of the line; how many tasks it had."""
        after = self._fed_to.get(task_type) or repairs.beginning(task_type)
        page = repairs.due_between(self._engine, after=after, until=until, limit=PAGE)
        self._schedule.add(page)
        if page:
            self._fed_to[task_type] = page[-1]
        self._to_feed = self._to_feed[1:] + [task_type] * (len(page) == PAGE)
        return len(page)

    def rescue(self) -> bool:
        """Settle what dead workers held; those with attempts left go back on the schedule."""
        rescued = repairs.rescue(self._engine, dead_after_s=self._dead_after_s, limit=RESCUE_AT_ONCE)
        for each in rescued:
            log.warning("task_rescued", task_id=each.id, worker_id=each.worker_id, again_at=str(each.again_at))
        self._tally.count(Counter.RESCUED, len(rescued))
        again = [Due(each.id, each.type, each.again_at) for each in rescued if each.again_at]
        deliverable = set(self._deliverable({each.type for each in again}))
        self._schedule.add(each for each in again if each.type in deliverable)
        return len(rescued) == RESCUE_AT_ONCE

    def restore(self) -> int:
        """Put back what is overdue and Redis does not know; how many."""
        until = repairs.clock(self._engine) - timedelta(seconds=OVERDUE_AFTER_S)
        types = self._deliverable(repairs.types_due(self._engine, until=until))
        restored = sum(self._restore_type(each, until) for each in types)
        if restored:
            log.warning("tasks_restored", count=restored)
            self._tally.count(Counter.RESTORED, restored)
        return restored

    def _restore_type(self, task_type: str, until: datetime) -> int:
        """The first page, and one more from where the last sweep came to: a long backlog is looked through in turns."""
        looked_to = self._looked_to.pop(task_type, None)
        page, restored = self._restore_page(repairs.beginning(task_type), until)
        if len(page) == PAGE:
            page, more = self._restore_page(looked_to or page[-1], until)
            restored += more
            if len(page) == PAGE:
                self._looked_to[task_type] = page[-1]
        return restored

    def _restore_page(self, after: Due, until: datetime) -> tuple[Sequence[Due], int]:
        page = repairs.due_between(self._engine, after=after, until=until, limit=PAGE)
        unknown = self._schedule.unknown(page, now=until)
        self._schedule.add(unknown)
        return page, len(unknown)

    def _deliverable(self, task_types: Iterable[str]) -> list[str]:
        """Without what outside workers run, and types that only a newer release knows."""
        return [each for each in task_types if each in self._types and not self._types[each].external]


def main() -> None:
    """The `sweeper` process."""
    settings = read_settings()
    configure_logs(settings, process="sweeper")
    stop = stop_on_signals()
    os.nice(NICE)
    engine = connect_postgres(settings, name="sweeper", pool=1)
    sweeper = Sweeper(engine, connect_redis(settings, timeout_s=5), load_task_types(settings), settings)
    log.info("sweeper_started")
    repeat(sweeper.step, wait=lambda: stop.wait(LOOK_EVERY_S), stop=stop, name="sweeper")
    log.info("sweeper_stopped")


if __name__ == "__main__":
    main()
