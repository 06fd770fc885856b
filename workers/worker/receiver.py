"""The receiver: RQ's worker, reduced to taking deliveries while the inbox has room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError, ResponseError
from rq.exceptions import DequeueTimeout
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat
from rq.worker import SimpleWorker

from app.broker.corrupt_keys import drop_corrupt_keys, may_be_corrupt
from app.broker.rq.jobs import DELIVER, RESULT_TTL_S, accepting, queue
from app.ledger.counters import Counter
from app.liveness import LoopState
from app.logs import get_logger
from app.loop import Backoff, describe

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline
    from rq import Queue
    from rq.job import Job

    from app.counter_buffer import CounterBuffer
    from workers.worker.inbox import Inbox

log = get_logger()

TTL_S = 60
MAINTENANCE_INTERVAL_S = 60
POLL_INTERVAL_S = 1
HEARTBEAT_INTERVAL_S = 10
SOCKET_TIMEOUT_S = 5
UNREADABLE_PAUSE_S = 0.02


def _no_death_penalty(*_: object, **__: object) -> AbstractContextManager[None]:
    """Set no time limit: receiving a delivery takes no time, and tasks have limits of their own."""
    return nullcontext()


class Receiver(SimpleWorker):
    """Moves deliveries from one RQ queue into the inbox, and runs chores.

    It listens to one queue, because RQ then uses BLMOVE, which keeps a copy. It reads JSON and our job class only, and
    sets no time limit.
    """

    death_penalty_class = _no_death_penalty  # type: ignore[assignment]

    def __init__(
        self, queue_name: str, redis: Redis, *, name: str, inbox: Inbox, chores: Mapping[str, Callable[[], object]],
        stop: threading.Event, may_claim: threading.Event, counters: CounterBuffer, state: LoopState | None = None,
    ) -> None:  # fmt: skip
        self._inbox = inbox
        self._stop = stop
        self._may_claim = may_claim
        self._counters = counters
        self._loop_state = state or LoopState("deliveries")
        self._backoff = Backoff("worker")
        job_class = accepting({DELIVER: inbox.put, **chores})
        super().__init__(
            [queue(queue_name, redis, job_class=job_class)],
            name=name,
            connection=redis,
            job_class=job_class,
            serializer=JSONSerializer,
            worker_ttl=TTL_S,
            maintenance_interval=MAINTENANCE_INTERVAL_S,
            log_job_description=False,
            default_result_ttl=RESULT_TTL_S,
        )

    @property
    def connection_timeout(self) -> int:
        """The socket timeout, shorter than RQ's because our waits are short."""
        return SOCKET_TIMEOUT_S

    def _install_signal_handlers(self) -> None:
        """Install none: those of the process set `stop`, while RQ's kill running tasks at the second signal."""

    def subscribe(self) -> None:
        """Do nothing: through RQ's command channel any client of Redis could stop this worker."""

    def unsubscribe(self) -> None:
        """Do nothing, as above."""

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001  # RQ's signature
        """Do nothing: a key in Redis could suspend all deliveries."""

    def run_maintenance_tasks(self) -> None:
        """Clean RQ's registries. After a failure, the next try follows the usual interval.

        Jobs that a killed worker left on the intermediate list are dropped: their ids are recorded as delivered, so the
        promoter takes them back.
        """
        self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ's hint is None only
        try:
            for each in self.queues:
                self.connection.delete(each.intermediate_queue_key)
            self.clean_registries()  # type: ignore[no-untyped-call]
        except Exception as error:
            if isinstance(error, RedisError) and not may_be_corrupt(error):
                raise
            log.warning("maintenance_failed", trouble=describe(error))
            self._drop_corrupt_keys()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Put one delivery into the inbox and record the finished job for RQ's dashboard, or run a chore as RQ does.

        The record takes one round trip; RQ itself makes eighteen. Keys of RQ that have a wrong type are removed. Ids
        that were not received are delivered again. If Redis is unavailable, the next take fails as well, and waits.
        """
        try:
            if job.func_name != DELIVER:
                super().execute_job(job, queue)
                return
            self._inbox.put(*job.args)  # `_take` has checked the arguments
            job.ended_at = now()
            with self.connection.pipeline(transaction=False) as pipe:
                pipe.lrem(queue.intermediate_queue_key, 1, job.id)
                pipe.hset(job.key, mapping={"ended_at": utcformat(job.ended_at), "worker_name": self.name})
                job.set_status(JobStatus.FINISHED, pipeline=pipe)
                job.cleanup(RESULT_TTL_S, pipeline=pipe, remove_from_queue=False)
                queue.finished_job_registry.add(job, RESULT_TTL_S, pipeline=pipe)
                self.increment_successful_job_count(pipeline=pipe)
                pipe.execute()
        except RedisError as error:
            if may_be_corrupt(error):
                log.warning("delivery_not_received", job_id=job.id, trouble=describe(error))
                self._drop_corrupt_keys()

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,  # noqa: ARG002  # RQ's signature
        max_idle_time: int | None = None,  # noqa: ARG002
    ) -> tuple[Job, Queue] | None:
        """Return the next delivery once the inbox has room; None when the process is stopping.

        While all slots are busy, deliveries stay on the queue, where other workers may take them.
        """
        while not self._stop.is_set():
            try:
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()
                self.heartbeat()
                if self._inbox.has_room(POLL_INTERVAL_S) and self._may_claim.wait(POLL_INTERVAL_S):
                    delivery = self._take()
                    self._backoff.succeeded()
                    if delivery:
                        self._loop_state.step_done()
                        return delivery
                self._loop_state.step_done()
            except DequeueTimeout:
                self._backoff.succeeded()
                self._loop_state.step_done()
            except RedisError as error:
                self._loop_state.step_done(unavailable=error)
                self._stop.wait(self._backoff.failed(error))
                if may_be_corrupt(error):
                    self._drop_corrupt_keys()
        return None

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Beat every ten seconds; RQ beats twice for each job, although its record of a worker lives for a minute."""
        beat_at = self.last_heartbeat
        if pipeline is not None or beat_at is None or (now() - beat_at).total_seconds() > HEARTBEAT_INTERVAL_S:
            super().heartbeat(timeout, pipeline)

    def _take(self) -> tuple[Job, Queue] | None:
        """Take the first job of the queue; None if it was refused."""
        try:
            dequeued: Any = self.queue_class.dequeue_any(
                self.queues,
                POLL_INTERVAL_S,
                connection=self.connection,
                job_class=self.job_class,
                serializer=self.serializer,
            )
        except (DequeueTimeout, RedisError):
            raise
        except Exception as error:  # noqa: BLE001  # for example a job id that is not text; it is off the queue now
            self._count_refused(repr(error)[:100], "it cannot be read")
            self._stop.wait(UNREADABLE_PAUSE_S)
            return None
        job, queue = dequeued
        job.origin = queue.name
        if reason := job.refused_because():
            self._count_refused(job.id[:100], reason)
            self._fail(job, queue)
            return None
        job.redis_server_version = self.get_redis_server_version()  # type: ignore[no-untyped-call]
        return job, queue

    def _count_refused(self, job_id: str, reason: str) -> None:
        log.warning("job_refused", job_id=job_id, why=reason)
        self._counters.count(Counter.REFUSED_JOBS)

    def _fail(self, job: Job, queue: Queue) -> None:
        """Add a refused job to RQ's failed jobs, which `/rq` shows; delete it if its key is not a hash."""
        self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
        try:
            self.handle_job_failure(job, queue, exc_string="This is no envelope of ours; it was not run.")
        except ResponseError:
            self.connection.delete(job.key)

    def _drop_corrupt_keys(self) -> None:
        with suppress(RedisError):  # the next take raises it again
            drop_corrupt_keys(self.connection, types=(), queues=self.queue_names())
