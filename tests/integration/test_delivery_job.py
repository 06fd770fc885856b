"""RQ jobs that are not ours: somebody who can write to Redis cannot make us run their code."""

from __future__ import annotations

import os
import pickle
import threading
import zlib
from typing import TYPE_CHECKING

import pytest
from rq import Queue
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from workers import delivery
from workers.worker.rq_worker import DeliveryWorker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

SETTLED = (JobStatus.FINISHED, JobStatus.FAILED)


class OneFreeSlot:
    """Slots that always have room, until the queue is empty: then the worker is told to stop."""

    def __init__(self, redis: Redis, stop: threading.Event) -> None:
        self.redis, self.stop = redis, stop
        self.room = self

    def wait(self, _timeout_s: float) -> int:
        if not self.redis.llen("rq:queue:default"):
            self.stop.set()
            return 0
        return 1


@pytest.fixture
def received() -> Iterator[list[tuple[str, list[str]]]]:
    envelopes: list[tuple[str, list[str]]] = []
    delivery.receive_with(lambda name, ids: envelopes.append((name, list(ids))))
    yield envelopes
    delivery.receive_with(lambda _name, _ids: None)


def work(redis: Redis) -> None:
    stop, may_claim = threading.Event(), threading.Event()
    may_claim.set()
    slots = OneFreeSlot(redis, stop)
    worker = DeliveryWorker("default", redis, name="test", slots=slots, stop=stop, may_claim=may_claim)  # type: ignore[arg-type]
    worker.work(logging_level="CRITICAL")


def test_envelopes_of_ours_are_received(redis: Redis, received: list[tuple[str, list[str]]]) -> None:
    delivery.send(delivery.queue("default", redis), [("noop", ["a", "b"]), ("foo", ["c"])])
    work(redis)
    assert received == [("noop", ["a", "b"]), ("foo", ["c"])]


@pytest.mark.parametrize(
    "function", ["os.mkdir", "workers.worker.__main__.main", "workers.delivery.receive_with", "no.such"]
)
def test_a_job_that_names_another_function_is_refused(redis: Redis, tmp_path: Path, function: str) -> None:
    target = tmp_path / "made"
    job = Queue("default", connection=redis, serializer=JSONSerializer).enqueue(function, str(target))
    work(redis)
    assert job.get_status() == JobStatus.FAILED
    assert not target.exists()


def test_a_pickled_job_is_refused_and_not_read(redis: Redis, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "made"),)

    job = Queue("default", connection=redis, serializer=JSONSerializer).enqueue("workers.delivery.deliver", "x", [])
    redis.hset(job.key, "data", zlib.compress(pickle.dumps(("workers.delivery.deliver", None, (Trap(),), {}))))
    work(redis)
    assert not (tmp_path / "made").exists()
    assert job.get_status() == JobStatus.FAILED


def test_callbacks_in_a_job_are_not_called(redis: Redis, tmp_path: Path, received: list[tuple[str, list[str]]]) -> None:
    job = Queue("default", connection=redis, serializer=JSONSerializer).enqueue(
        "workers.delivery.deliver", "noop", ["a"]
    )
    redis.hset(job.key, mapping={"success_callback_name": "os.abort", "failure_callback_name": "os.abort"})
    work(redis)
    assert received == [("noop", ["a"])]
