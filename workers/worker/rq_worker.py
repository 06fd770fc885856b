"""RQ's worker, made to carry envelopes: it takes one when there is room, and stops between two."""

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

from app.broker.mending import mend
from app.ledger.counters import Counter
from workers import delivery
from workers.loop import Backoff

if TYPE_CHECKING:
    import threading

    from redis import Redis
    from redis.client import Pipeline
    from rq import Queue
    from rq.job import Job

    from app.tally import Tally
    from workers.worker.intake import Intake

log = structlog.get_logger()

TTL_S = 60
MAINTENANCE_EVERY_S = 60
LOOK_EVERY_S = 1
BEAT_EVERY_S = 10
SOCKET_TIMEOUT_S = 5
PAUSE_AFTER_UNREADABLE_S = 0.02


def _no_death_penalty(*_: object, **__: object) -> AbstractContextManager[None]:
    """Envelopes have no time limit: our function returns soon, and tasks have limits of their own."""
    return nullcontext()


class DeliveryWorker(SimpleWorker):
    """One queue (so RQ's pop leaves a copy), JSON only, our job class only, no time limit on envelopes."""

    death_penalty_class = _no_death_penalty  # type: ignore[assignment]

    def __init__(
        self, queue_name: str, redis: Redis, *, name: str, intake: Intake, stop: threading.Event,
        may_claim: threading.Event, tally: Tally,
    ) -> None:  # fmt: skip
        self._intake = intake
        self._stop = stop
        self._may_claim = may_claim
        self._tally = tally
        self._backoff = Backoff("worker")
        super().__init__(
            [delivery.queue(queue_name, redis)],
            name=name,
            connection=redis,
            job_class=delivery.DeliveryJob,
            serializer=JSONSerializer,
            worker_ttl=TTL_S,
            maintenance_interval=MAINTENANCE_EVERY_S,
            log_job_description=False,
            default_result_ttl=delivery.RESULT_TTL_S,
        )

    @property
    def connection_timeout(self) -> int:
        """Shorter than RQ's: our waits are short, too."""
        return SOCKET_TIMEOUT_S

    def _install_signal_handlers(self) -> None:
        """None: the process has its own, which set `stop`; RQ's would kill what runs at the second signal."""

    def subscribe(self) -> None:
        """Nothing: RQ's channel of commands would let whoever can publish stop this worker."""

    def unsubscribe(self) -> None:
        """Nothing, as above."""

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001  # RQ's signature
        """Nothing: one key in Redis would stop all deliveries for good."""

    def run_maintenance_tasks(self) -> None:
        """Clean RQ's registries, as far as they can be read; what cannot is tried again after the usual time.

        What a killed worker left between two lists is dropped: the schedule knows it, and delivers it again.
        """
        self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ's hint is None only
        try:
            for each in self.queues:
                self.connection.delete(each.intermediate_queue_key)
            self.clean_registries()  # type: ignore[no-untyped-call]
        except (RedisConnectionError, RedisTimeout):
            raise
        except Exception as trouble:  # noqa: BLE001  # whatever it is, envelopes must go on
            log.warning("maintenance_failed", trouble=repr(trouble)[:300])
            self._mend()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Hand over one envelope, or do a chore as RQ does it.

        Where RQ's own keys are in the way, they go; what was not carried is delivered again.
        """
        try:
            if job.func_name == delivery.ENVELOPE:
                job.func(*job.args)
                self._book(job, queue)
            else:
                super().execute_job(job, queue)
        except (RedisConnectionError, RedisTimeout):
            raise
        except RedisError as wrong:
            log.warning("envelope_not_carried", job_id=job.id, trouble=repr(wrong)[:300])
            self._mend()

    def _book(self, job: Job, queue: Queue) -> None:
        """What RQ's dashboard shows of a job that is over, in one round trip; RQ itself takes eighteen for it."""
        job.ended_at = now()
        with self.connection.pipeline(transaction=False) as pipe:
            pipe.lrem(queue.intermediate_queue_key, 1, job.id)
            pipe.hset(job.key, mapping={"ended_at": utcformat(job.ended_at), "worker_name": self.name})
            job.set_status(JobStatus.FINISHED, pipeline=pipe)
            job.cleanup(delivery.RESULT_TTL_S, pipeline=pipe, remove_from_queue=False)
            queue.finished_job_registry.add(job, delivery.RESULT_TTL_S, pipeline=pipe)
            self.increment_successful_job_count(pipeline=pipe)
            pipe.execute()

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,  # noqa: ARG002  # RQ's signature; our waits are our own
        max_idle_time: int | None = None,  # noqa: ARG002
    ) -> tuple[Job, Queue] | None:
        """The next envelope, once there is room for it; None when the process is to stop.

        While all slots are busy, envelopes stay on the queue: other workers may take them.
        """
        while not self._stop.is_set():
            try:
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()
                self.heartbeat()
                if self._intake.has_room(LOOK_EVERY_S) and self._may_claim.wait(LOOK_EVERY_S):
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
                self._mend()
        return None

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Seldom: RQ beats twice for each envelope, and its record of a worker holds for a minute."""
        beat_at = self.last_heartbeat
        if pipeline is not None or beat_at is None or (now() - beat_at).total_seconds() > BEAT_EVERY_S:
            super().heartbeat(timeout, pipeline)

    def _take(self) -> tuple[Job, Queue] | None:
        """What lies first on the queue; None when it was refused."""
        try:
            taken: Any = self.queue_class.dequeue_any(
                self.queues,
                LOOK_EVERY_S,
                connection=self.connection,
                job_class=self.job_class,
                serializer=self.serializer,
            )
        except (DequeueTimeout, RedisError):
            raise
        except Exception as unreadable:  # noqa: BLE001  # an id that is no text, for one; it is off the queue
            self._refused(repr(unreadable)[:100], "it cannot be read")
            self._stop.wait(PAUSE_AFTER_UNREADABLE_S)
            return None
        job, queue = taken
        job.origin = queue.name
        if because := job.refused_because():
            self._refused(job.id[:100], because)
            self._bury(job, queue)
            return None
        job.redis_server_version = self.get_redis_server_version()  # type: ignore[no-untyped-call]
        return job, queue

    def _refused(self, job_id: str, because: str) -> None:
        log.warning("job_refused", job_id=job_id, why=because)
        self._tally.count(Counter.REFUSED_JOBS)

    def _bury(self, job: Job, queue: Queue) -> None:
        """Put a refused job with the failed ones, for people to look at; or away, if it is no job at all."""
        self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
        try:
            self.handle_job_failure(job, queue, exc_string="This is no envelope of ours; it was not run.")
        except ResponseError:
            self.connection.delete(job.key)

    def _mend(self) -> None:
        try:
            mend(self.connection, types=(), queues=self.queue_names())
        except RedisError as away:
            log.warning("schedule_away", doing="mend", tasks=0, trouble=type(away).__name__)
