"""RQ's worker, reduced to receiving deliveries: it takes one when there is room, and stops between two."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
    RedisError,
    ResponseError,
    TimeoutError as RedisTimeout,
)
from rq.exceptions import DequeueTimeout
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat
from rq.worker import SimpleWorker

from app.broker.corrupt_keys import drop_corrupt_keys
from app.broker.rq.deliveries import queue
from app.broker.rq.jobs import DELIVER, RESULT_TTL_S, accepting
from app.ledger.counters import Counter
from app.loop import Backoff

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from redis import Redis
    from redis.client import Pipeline
    from rq import Queue
    from rq.job import Job

    from app.counter_buffer import CounterBuffer
    from workers.worker.inbox import Inbox

log = structlog.get_logger()

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
    """Takes deliveries from one RQ queue into the inbox, and runs chores.

    One queue, because RQ then pops with a copy; JSON only; our job class only; no time limit.
    """

    death_penalty_class = _no_death_penalty  # type: ignore[assignment]

    def __init__(
        self, queue_name: str, redis: Redis, *, name: str, inbox: Inbox, chores: Mapping[str, Callable[[], object]],
        stop: threading.Event, may_claim: threading.Event, counters: CounterBuffer,
    ) -> None:  # fmt: skip
        self._inbox = inbox
        self._stop = stop
        self._may_claim = may_claim
        self._counters = counters
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
        """Shorter than RQ's: our waits are short, too."""
        return SOCKET_TIMEOUT_S

    def _install_signal_handlers(self) -> None:
        """Install none: the process has its own, which set `stop`; RQ's kill what runs at the second signal."""

    def subscribe(self) -> None:
        """Do nothing: RQ's channel of commands would let anybody who can publish stop this worker."""

    def unsubscribe(self) -> None:
        """Do nothing, as above."""

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001  # RQ's signature
        """Do nothing: one key in Redis would stop all deliveries for good."""

    def run_maintenance_tasks(self) -> None:
        """Clean RQ's registries, as far as they can be read; the next try is after the usual interval.

        What a killed worker left on the intermediate list is dropped: it is recorded as delivered, so it is taken back.
        """
        self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ's hint is None only
        try:
            for each in self.queues:
                self.connection.delete(each.intermediate_queue_key)
            self.clean_registries()  # type: ignore[no-untyped-call]
        except (RedisConnectionError, RedisTimeout):
            raise
        except Exception as trouble:  # noqa: BLE001  # whatever it is, deliveries must go on
            log.warning("maintenance_failed", trouble=repr(trouble)[:300])
            self._drop_corrupt_keys()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Receive one delivery, or run a chore as RQ does it.

        Keys of RQ's that are of the wrong type are removed; what was not received is delivered again.
        """
        try:
            if job.func_name == DELIVER:
                self._inbox.put(*job.args)  # `_take` has checked the arguments
                self._finish(job, queue)
            else:
                super().execute_job(job, queue)
        except (RedisConnectionError, RedisTimeout):
            raise
        except RedisError as wrong:
            log.warning("delivery_not_received", job_id=job.id, trouble=repr(wrong)[:300])
            self._drop_corrupt_keys()

    def _finish(self, job: Job, queue: Queue) -> None:
        """Write what RQ's dashboard shows of a finished job, in one round trip; RQ itself takes eighteen."""
        job.ended_at = now()
        with self.connection.pipeline(transaction=False) as pipe:
            pipe.lrem(queue.intermediate_queue_key, 1, job.id)
            pipe.hset(job.key, mapping={"ended_at": utcformat(job.ended_at), "worker_name": self.name})
            job.set_status(JobStatus.FINISHED, pipeline=pipe)
            job.cleanup(RESULT_TTL_S, pipeline=pipe, remove_from_queue=False)
            queue.finished_job_registry.add(job, RESULT_TTL_S, pipeline=pipe)
            self.increment_successful_job_count(pipeline=pipe)
            pipe.execute()

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,  # noqa: ARG002  # RQ's signature; our waits are our own
        max_idle_time: int | None = None,  # noqa: ARG002
    ) -> tuple[Job, Queue] | None:
        """Return the next delivery, once there is room for it; None when the process is to stop.

        While all slots are busy, deliveries stay on the queue, where other workers may take them.
        """
        while not self._stop.is_set():
            try:
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()
                self.heartbeat()
                if self._inbox.has_room(POLL_INTERVAL_S) and self._may_claim.wait(POLL_INTERVAL_S):
                    taken = self._take()
                    self._backoff.succeeded()
                    if taken:
                        return taken
            except DequeueTimeout:
                self._backoff.succeeded()
            except (RedisConnectionError, RedisTimeout) as away:
                self._stop.wait(self._backoff.failed(away))
            except RedisError as wrong:
                self._stop.wait(self._backoff.failed(wrong))
                self._drop_corrupt_keys()
        return None

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Beat every ten seconds: RQ beats twice for each job, and its record of a worker holds for a minute."""
        beat_at = self.last_heartbeat
        if pipeline is not None or beat_at is None or (now() - beat_at).total_seconds() > HEARTBEAT_INTERVAL_S:
            super().heartbeat(timeout, pipeline)

    def _take(self) -> tuple[Job, Queue] | None:
        """Take the first job of the queue; None when it was refused."""
        try:
            taken: Any = self.queue_class.dequeue_any(
                self.queues,
                POLL_INTERVAL_S,
                connection=self.connection,
                job_class=self.job_class,
                serializer=self.serializer,
            )
        except (DequeueTimeout, RedisError):
            raise
        except Exception as unreadable:  # noqa: BLE001  # an id that is no text, for one; it is off the queue
            self._count_refused(repr(unreadable)[:100], "it cannot be read")
            self._stop.wait(UNREADABLE_PAUSE_S)
            return None
        job, queue = taken
        job.origin = queue.name
        if because := job.refused_because():
            self._count_refused(job.id[:100], because)
            self._fail(job, queue)
            return None
        job.redis_server_version = self.get_redis_server_version()  # type: ignore[no-untyped-call]
        return job, queue

    def _count_refused(self, job_id: str, because: str) -> None:
        log.warning("job_refused", job_id=job_id, why=because)
        self._counters.count(Counter.REFUSED_JOBS)

    def _fail(self, job: Job, queue: Queue) -> None:
        """Put a refused job with the failed ones, where `/rq` shows it; delete it if its key is no hash."""
        self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
        try:
            self.handle_job_failure(job, queue, exc_string="This is no envelope of ours; it was not run.")
        except ResponseError:
            self.connection.delete(job.key)

    def _drop_corrupt_keys(self) -> None:
        try:
            drop_corrupt_keys(self.connection, types=(), queues=self.queue_names())
        except RedisError as away:
            log.warning("schedule_away", doing="drop_corrupt_keys", tasks=0, trouble=type(away).__name__)
