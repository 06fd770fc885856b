"""RQ's worker, made to carry envelopes: it takes one when a slot is free, and stops between two."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError, TimeoutError as RedisTimeout
from rq.exceptions import DequeueTimeout
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker
from rq.worker.base import WorkerStatus

from workers import delivery
from workers.loop import Backoff

if TYPE_CHECKING:
    import threading

    from redis import Redis
    from rq import Queue
    from rq.job import Job

    from workers.slots.slots import Slots

log = structlog.get_logger()

TTL_S = 60
MAINTENANCE_EVERY_S = 60
LOOK_EVERY_S = 1
SOCKET_TIMEOUT_S = 5


def _no_death_penalty(*_: object, **__: object) -> AbstractContextManager[None]:
    """Envelopes have no time limit: our function returns soon, and tasks have limits of their own."""
    return nullcontext()


class DeliveryWorker(SimpleWorker):
    """One queue (so RQ's pop leaves a copy), JSON only, our job class only, no time limit on envelopes."""

    death_penalty_class = _no_death_penalty  # type: ignore[assignment]

    def __init__(
        self, queue_name: str, redis: Redis, *, name: str, slots: Slots, stop: threading.Event,
        may_claim: threading.Event,
    ) -> None:  # fmt: skip
        self._slots = slots
        self._stop = stop
        self._may_claim = may_claim
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

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,  # noqa: ARG002  # RQ's signature; our waits are our own
        max_idle_time: int | None = None,  # noqa: ARG002
    ) -> tuple[Job, Queue] | None:
        """The next envelope, once a slot is free; None when the process is to stop.

        While all slots are busy, envelopes stay on the queue: other workers may take them.
        """
        self.set_state(WorkerStatus.IDLE)
        while not self._stop.is_set():
            try:
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()  # type: ignore[no-untyped-call]
                self.heartbeat()
                if self._slots.room.wait(LOOK_EVERY_S) and self._may_claim.wait(LOOK_EVERY_S):
                    return self._take()
            except DequeueTimeout:
                self._backoff.succeeded()
            except (RedisConnectionError, RedisTimeout) as away:
                self._stop.wait(self._backoff.failed(away))
        return None

    def _take(self) -> tuple[Job, Queue]:
        taken: Any = self.queue_class.dequeue_any(
            self.queues,
            LOOK_EVERY_S,
            connection=self.connection,
            job_class=self.job_class,
            serializer=self.serializer,
        )
        self._backoff.succeeded()
        job, queue = taken
        job.redis_server_version = self.get_redis_server_version()  # type: ignore[no-untyped-call]
        return job, queue
