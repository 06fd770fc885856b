"""The sweeper: rescues tasks of dead workers, feeds the due set, restores ids that Redis lost. Any number may run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from redis.exceptions import RedisError

from app.broker.contents import probe_write
from app.broker.corrupt_keys import drop_corrupt_keys, may_be_corrupt
from app.broker.due_set import DueSet
from app.broker.known_types import put_types
from app.broker.processes import SignOfLife
from app.clock import now
from app.config import Settings, read_settings, worker_name
from app.connections import connect_postgres, connect_redis
from app.counter_buffer import CounterBuffer
from app.ledger import repairs, server
from app.ledger.counters import Counter
from app.liveness import watch_process
from app.logs import configure_logs, get_logger
from app.loop import repeat, stop_on_signals
from app.start import sentence_instead_of_traceback
from app.streams import open_missing_streams
from app.task import Due
from app.task_types import TaskTypes, load_task_types
from workers.feeding import Feeding
from workers.silence import Silence

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

log = get_logger()

POLL_INTERVAL_S = 0.5
LOOP_LIMIT_S = 120.0  # a step reads many pages
SWEEP_INTERVAL_S = 2.0
OVERDUE_AFTER_S = 1.0
PAGE = 5000
FULL_PAGE_LOST = 5000  # there are probably more lost ids, so the next sweep begins at once
RESCUE_BATCH = 500
CLOCK_SET_S = 1.0  # a clock that is corrected gradually, or a slow answer, differs by less
NICE = 5  # a lower CPU priority than the workers'


class Sweeper:
    """Rescues, feeds and restores. All three are idempotent and may be done by several sweepers at once."""

    def __init__(
        self, engine: Engine, redis: Redis, types: TaskTypes, settings: Settings, *,
        clock: Callable[[], float] = now,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._counters = CounterBuffer(engine)
        self._redis = redis
        self._due_set = DueSet(redis)
        self._types = types
        self._clock = clock
        self._silence = Silence(engine, dead_after_s=settings.worker_dead_after_s, clock=clock)
        self.feeding = Feeding(engine, self._due_set, types.delivers, window_s=settings.schedule_window_s, clock=clock)
        self._looked_up_to: dict[str, Due] = {}
        self._sweep_at = float("-inf")
        self._ahead_s: float | None = None
        self.pause_s = POLL_INTERVAL_S
        """How long to wait before the next step."""

    def step(self) -> bool:
        """Sweep once; return whether there is more to do at once. Otherwise the next step is due after `pause_s`.

        The rescue comes first because it needs no Redis.
        """
        now_s = self._clock()
        try:
            return self._sweep(now_s)
        except RedisError as trouble:
            self._sweep_at = now_s  # the next step probes Redis again
            self.feeding.resync()
            if may_be_corrupt(trouble):
                queues = {each.queue for each in self._types.delivered}
                drop_corrupt_keys(self._redis, types=self._types.names, queues=queues)
            raise

    def _sweep(self, now_s: float) -> bool:
        is_time = now_s >= self._sweep_at
        if is_time:
            self._sweep_at = now_s + SWEEP_INTERVAL_S
        else:
            self._silence.look_at_workers()
        more_to_rescue = is_time and self.rescue()
        if is_time:
            probe_write(self._redis)  # a replica would answer reads, with ids that its primary has lost
        more_to_feed = self.feeding.step()
        more_to_restore = is_time and self.restore() >= FULL_PAGE_LOST
        if is_time:
            put_types(self._redis, self._types)
        if more_to_rescue or more_to_restore:
            self._sweep_at = now_s
        self.pause_s = self.feeding.rest_s if more_to_feed else POLL_INTERVAL_S
        return more_to_rescue or more_to_restore or (more_to_feed and not self.pause_s)

    def rescue(self) -> bool:
        """Rescue a batch of tasks that dead workers held; return whether there are more.

        Tasks with attempts left become due again; the others fail. A new sweeper rescues only tasks of workers without
        a row before it has watched for long enough.
        """
        rescued = repairs.rescue(self._engine, self._silence.find(), limit=RESCUE_BATCH)
        for each in rescued:
            log.warning("task_rescued", task_id=each.id, worker_id=each.worker_id, again_at=str(each.again_at))
        self._counters.count(Counter.RESCUED, len(rescued))
        again = [Due(each.id, each.type, each.again_at) for each in rescued if each.again_at]
        self._due_set.add(each for each in again if self._types.delivers(each.type))
        return len(rescued) == RESCUE_BATCH

    def restore(self) -> int:
        """Add overdue tasks that Redis does not hold to the due set; return how many."""
        until = self._time_of_postgres() - timedelta(seconds=OVERDUE_AFTER_S)
        types = filter(self._types.delivers, repairs.types_due(self._engine, until=until))
        restored = sum(self._restore_type(each, until) for each in types)
        if restored:
            log.warning("tasks_restored", count=restored)
            self._counters.count(Counter.RESTORED, restored)
        return restored

    def _time_of_postgres(self) -> datetime:
        """Read Postgres' clock. If it was set, feed the whole window again, because ids may be missing from it."""
        time = server.clock(self._engine)
        ahead_s = time.timestamp() - self._clock()
        by_s = 0.0 if self._ahead_s is None else ahead_s - self._ahead_s
        if abs(by_s) > CLOCK_SET_S:
            log.warning("postgres_clock_set", by_s=round(by_s, 1))
            self.feeding.resync()
        self._ahead_s = ahead_s
        return time

    def _restore_type(self, task_type: str, until: datetime) -> int:
        """Restore the first page, and the page after that of the last sweep, so that sweeps cover a long backlog."""
        looked_up_to = self._looked_up_to.pop(task_type, None)
        page, restored = self._restore_page(repairs.page_start(task_type), until)
        if len(page) == PAGE:
            page, more = self._restore_page(looked_up_to or page[-1], until)
            restored += more
            if len(page) == PAGE:
                self._looked_up_to[task_type] = page[-1]
        return restored

    def _restore_page(self, after: Due, until: datetime) -> tuple[Sequence[Due], int]:
        page = repairs.due_between(self._engine, after=after, until=until, limit=PAGE)
        unknown = self._due_set.unknown(page, now=until)
        self._due_set.add(unknown)
        return page, len(unknown)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    open_missing_streams()
    settings = read_settings()
    configure_logs(settings, process="sweeper")
    stop = stop_on_signals()
    os.nice(NICE)
    engine = connect_postgres(settings, name="sweeper", pool=1)
    server.exit_if_unsuitable(engine, "sweeper")
    redis = connect_redis(settings, timeout_s=5)
    sweeper = Sweeper(engine, redis, load_task_types(settings), settings)
    watch_process(stop, limit_s=LOOP_LIMIT_S)
    sign = SignOfLife(redis, "sweeper", worker_name(uuid4().hex[:8]))
    log.info("sweeper_started")
    repeat(sign.after(sweeper.step), wait=lambda: stop.wait(sweeper.pause_s), stop=stop, name="sweeper")
    log.info("sweeper_stopped")


if __name__ == "__main__":
    with sentence_instead_of_traceback("sweeper"):
        main()
