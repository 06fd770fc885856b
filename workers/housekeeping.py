"""The `scheduler` process: rq-scheduler enqueues each chore of housekeeping every 15 s, and no tasks of users.

rq-scheduler can lose a periodic job when it is killed between two of its steps. So every chore is registered again,
under a fixed id, at each start and every few minutes. Two of these processes do no harm, because every chore is
idempotent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

from redis.exceptions import ResponseError
from rq_scheduler import Scheduler

from app.broker.corrupt_keys import drop_corrupt_keys, may_be_corrupt
from app.broker.processes import SignOfLife
from app.broker.rq.jobs import NO_TIME_LIMIT, DeliveryJob, queue
from app.config import read_settings, worker_name
from app.connections import connect_postgres, connect_redis
from app.counter_buffer import CounterBuffer
from app.ledger.counters import Counter
from app.liveness import watch_process
from app.logs import configure_logs, get_logger
from app.loop import repeat, stop_on_signals
from app.start import sentence_instead_of_traceback
from app.streams import open_missing_streams
from workers.chores import CHORES

if TYPE_CHECKING:
    from redis import Redis
    from rq import Queue
    from rq.job import Job

log = get_logger()

POLL_INTERVAL_S = 5.0
LOOP_LIMIT_S = 60.0
CHORE_INTERVAL_S = 15
ASSERT_INTERVAL_S = 300.0
CHORE_TTL_S = 300


def chore_id(chore: str) -> str:
    """Return the id of a chore's RQ job."""
    return f"chore-{chore}"


CHORE_BY_ID = {chore_id(chore): chore for chore in CHORES}


class ChoreScheduler(Scheduler):  # type: ignore[misc]  # rq-scheduler has no types
    """rq-scheduler restricted to our chores. The job of a chore is created again before it is enqueued.

    rq-scheduler itself imports the class of the queue that the job in Redis names.
    """

    refused: Callable[[], None]

    def get_jobs(self, until: float, **_: object) -> Iterator[Job]:
        """Yield the chores that are due; remove all other entries of the list, which is under our prefix."""
        listed = self.connection.zrangebyscore(self.scheduled_jobs_key, "-inf", until)
        for job_id in listed:
            chore = CHORE_BY_ID.get(job_id.decode(errors="replace"))
            if chore is None:
                self.connection.zrem(self.scheduled_jobs_key, job_id)
                log.warning("job_refused", job_id=repr(job_id)[:100], why="it is no chore")
                self.refused()
            else:
                yield self.make(chore)

    def get_queue_for_job(self, job: Job) -> Queue:  # noqa: ARG002  # rq-scheduler's signature
        """Return our queue, not the one that the job names."""
        own: Queue = self._queue
        return own

    def make(self, chore: str) -> Job:
        """Create the RQ job of this chore and replace its earlier one."""
        job: Job = self._create_job(
            chore, commit=False, id=chore_id(chore), timeout=NO_TIME_LIMIT, result_ttl=CHORE_TTL_S
        )
        job.meta["interval"] = CHORE_INTERVAL_S
        self.connection.delete(job.key)
        job.save()
        return job

    def assert_all(self) -> None:
        """Make sure that every chore is on the list once."""
        now = int(time.time())  # rq-scheduler uses whole seconds
        for job_id, chore in CHORE_BY_ID.items():
            if self.connection.zadd(self.scheduled_jobs_key, {job_id: now}, nx=True):
                log.info("chore_registered", chore=chore)
            self.connection.zadd(self.scheduled_jobs_key, {job_id: now + CHORE_INTERVAL_S}, lt=True)


class Housekeeping:
    """Enqueues chores when they are due."""

    def __init__(self, redis: Redis, *, queue_name: str, refused: Callable[[], None] = lambda: None) -> None:
        """`refused` is called for each entry on rq-scheduler's list that is no chore."""
        self._redis = redis
        self._queue_name = queue_name
        self.scheduler = ChoreScheduler(
            queue=queue(queue_name, redis), connection=redis, interval=POLL_INTERVAL_S, job_class=DeliveryJob
        )
        self.scheduler.refused = refused
        self._asserted_at = float("-inf")

    def step(self) -> bool:
        """Enqueue the chores that are due. Return False, because nothing more is due until the next poll."""
        try:
            self._enqueue()
        except ResponseError as trouble:
            if may_be_corrupt(trouble):
                drop_corrupt_keys(self._redis, types=(), queues=[self._queue_name])
            raise
        return False

    def _enqueue(self) -> None:
        if time.monotonic() - self._asserted_at >= ASSERT_INTERVAL_S:
            self.scheduler.assert_all()
            self._asserted_at = time.monotonic()
        self.scheduler.enqueue_jobs()  # without rq-scheduler's lock, which has no owner; a chore may run twice


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    open_missing_streams()
    settings = read_settings()
    configure_logs(settings, process="scheduler")
    stop = stop_on_signals()
    counters = CounterBuffer(connect_postgres(settings, name="scheduler", pool=1))  # connects with the first count
    redis = connect_redis(settings, timeout_s=5)
    housekeeping = Housekeeping(
        redis,
        queue_name=settings.queue,
        refused=lambda: counters.count(Counter.REFUSED_JOBS),
    )
    watch_process(stop, limit_s=LOOP_LIMIT_S)
    sign = SignOfLife(redis, "scheduler", worker_name(uuid4().hex[:8]))
    log.info("scheduler_started")
    repeat(sign.after(housekeeping.step), wait=lambda: stop.wait(POLL_INTERVAL_S), stop=stop, name="scheduler")
    log.info("scheduler_stopped")


if __name__ == "__main__":
    with sentence_instead_of_traceback("scheduler"):
        main()
