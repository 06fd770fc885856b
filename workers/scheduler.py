"""The clock of coarse housekeeping: rq-scheduler enqueues each chore every 15 s. Never a user's task.

rq-scheduler can lose a periodic job when it is killed between two of its steps; so every chore is asserted anew,
under a fixed id, at each start and every few minutes. Two of these processes are harmless: every chore is idempotent.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from rq_scheduler import Scheduler

from app.config import read_settings
from app.connections import connect_redis
from app.logs import configure_logs
from workers import delivery
from workers.housekeeping import CHORES
from workers.loop import repeat, stop_on_signals

if TYPE_CHECKING:
    from redis import Redis

log = structlog.get_logger()

LOOK_EVERY_S = 5.0
CHORE_EVERY_S = 15
ASSERT_EVERY_S = 300.0
NO_TIME_LIMIT = -1  # chores bound themselves
CHORE_TTL_S = 300


class Housekeeper:
    """rq-scheduler, one pass at a time."""

    def __init__(self, redis: Redis, *, queue_name: str) -> None:
        self._scheduler = Scheduler(
            queue=delivery.queue(queue_name, redis),
            connection=redis,
            interval=LOOK_EVERY_S,
            job_class=delivery.DeliveryJob,
        )
        self._asserted_at = float("-inf")

    def step(self) -> bool:
        """Enqueue the chores that are due."""
        if time.monotonic() - self._asserted_at >= ASSERT_EVERY_S:
            self.assert_chores()
            self._asserted_at = time.monotonic()
        if self._scheduler.acquire_lock():
            try:
                self._scheduler.enqueue_jobs()
            finally:
                self._scheduler.remove_lock()
        return False

    def assert_chores(self) -> None:
        """Make sure that every chore is on rq-scheduler's list, once."""
        listed = {job.id for job in self._scheduler.get_jobs()}
        for chore in CHORES:
            job_id = f"chore-{chore.__name__}"
            if job_id not in listed:
                self._scheduler.schedule(
                    scheduled_time=datetime.now(UTC),
                    func=chore,
                    interval=CHORE_EVERY_S,
                    id=job_id,
                    timeout=NO_TIME_LIMIT,
                    result_ttl=CHORE_TTL_S,
                )
                log.info("chore_asserted", chore=chore.__name__)


def main() -> None:
    """The `scheduler` process."""
    settings = read_settings()
    configure_logs(settings, process="scheduler")
    stop = stop_on_signals()
    housekeeper = Housekeeper(connect_redis(settings, timeout_s=5), queue_name=settings.queue)
    log.info("scheduler_started")
    repeat(housekeeper.step, wait=lambda: stop.wait(LOOK_EVERY_S), stop=stop, name="scheduler")
    log.info("scheduler_stopped")


if __name__ == "__main__":
    main()
