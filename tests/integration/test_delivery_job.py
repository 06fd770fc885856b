"""RQ jobs that are not ours: somebody who can write to Redis cannot make us run their code."""

from __future__ import annotations

import json
import os
import pickle
import threading
import zlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from redis.exceptions import RedisError
from rq import Queue
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from app.ledger.counters import Counter
from app.tally import Tally
from tests.integration.foreign_jobs import CHORE, DELIVER, FOREIGN, RAW, push_raw
from workers import delivery
from workers.delivery import Envelope
from workers.worker.rq_worker import DeliveryWorker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis
    from sqlalchemy import Engine

ONE, TWO, THREE = (str(uuid4()) for _ in range(3))


class Open:
    """An intake that always has room, until the queue is empty: then the worker is told to stop."""

    def __init__(self, redis: Redis, stop: threading.Event) -> None:
        self.redis, self.stop = redis, stop

    def has_room(self, _timeout_s: float) -> bool:
        try:
            if self.redis.llen("rq:queue:default"):
                return True
        except RedisError:
            return True
        self.stop.set()
        return False


@pytest.fixture
def received() -> Iterator[list[tuple[str, list[Any]]]]:
    envelopes: list[tuple[str, list[Any]]] = []
    delivery.receive_with(lambda name, ids, ahead: envelopes.append((name, [*ids, *ahead])))
    yield envelopes
    delivery.receive_with(lambda _name, _ids, _ahead: None)


@pytest.fixture
def tally(engine: Engine) -> Tally:
    return Tally(engine)


def work(redis: Redis, tally: Tally) -> DeliveryWorker:
    stop, may_claim = threading.Event(), threading.Event()
    may_claim.set()
    intake: Any = Open(redis, stop)
    worker = DeliveryWorker("default", redis, name="test", intake=intake, stop=stop, may_claim=may_claim, tally=tally)
    worker.work(logging_level="CRITICAL")
    assert stop.is_set(), "RQ's loop gave up"
    return worker


def test_envelopes_of_ours_are_received(redis: Redis, tally: Tally, received: list[tuple[str, list[str]]]) -> None:
    delivery.send(delivery.queue("default", redis), [Envelope("noop", [ONE, TWO]), Envelope("foo", [], [(THREE, 9.5)])])
    work(redis, tally)
    assert received == [("noop", [ONE, TWO]), ("foo", [[THREE, 9.5]])]
    assert tally.kept() == {}


@pytest.mark.parametrize(("function", "arguments"), FOREIGN, ids=lambda value: str(value)[:40])
def test_a_job_that_is_no_envelope_is_refused_and_counted(
    redis: Redis, tally: Tally, received: list[tuple[str, list[str]]], function: str, arguments: list[Any]
) -> None:
    job = Queue("default", connection=redis, serializer=JSONSerializer).enqueue(function, args=arguments)
    work(redis, tally)
    assert job.get_status() == JobStatus.FAILED
    assert job.id in delivery.queue("default", redis).failed_job_registry
    assert received == []
    assert tally.kept() == {Counter.REFUSED_JOBS: 1}


@pytest.mark.parametrize("name", RAW)
def test_whatever_lies_on_the_queue_is_refused_and_the_next_envelope_received(
    redis: Redis, tally: Tally, received: list[tuple[str, list[str]]], name: str, tmp_path: Path
) -> None:
    push_raw(redis, name, canary=tmp_path / "sprung")
    delivery.send(delivery.queue("default", redis), [Envelope("noop", [ONE])])
    work(redis, tally).run_maintenance_tasks()
    assert received == [("noop", [ONE])]
    assert not (tmp_path / "sprung").exists()
    assert redis.lrange("rq:queue:default:intermediate", 0, -1) == []
    assert tally.kept() in ({Counter.REFUSED_JOBS: 1}, {})


def test_a_pickled_job_is_refused_and_not_read(redis: Redis, tally: Tally, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "made"),)

    job = Queue("default", connection=redis, serializer=JSONSerializer).enqueue(DELIVER, "x", [], [])
    redis.hset(job.key, "data", zlib.compress(pickle.dumps((DELIVER, None, (Trap(),), {}))))
    work(redis, tally)
    assert not (tmp_path / "made").exists()
    assert job.get_status() == JobStatus.FAILED


def test_what_a_good_envelope_says_beside_its_ids_is_not_read(
    redis: Redis, harm: Redis, tally: Tally, received: list[tuple[str, list[str]]]
) -> None:
    job = Queue("default", connection=redis, serializer=JSONSerializer).enqueue(DELIVER, "noop", [ONE], [])
    more = {
        "success_callback_name": "os.abort", "failure_callback_name": "os.abort", "stopped_callback_name": "os.abort",
        "success_callback_timeout": "x", "repeats_left": "1000000", "repeat_intervals": "[0]", "retries_left": "9",
        "dependency_ids": "[[]]", "webhooks": '[{"url": "http://127.0.0.1:9/"}]', "timeout": "x", "ttl": "x",
        "result_ttl": "-1", "created_at": "yesterday", "status": "???", "origin": "elsewhere", "meta": "x",
        "number_of_retries": "x", "enqueue_at_front": "x", "group_id": "x", "exc_info": "x",
    }  # fmt: skip
    redis.hset(job.key, mapping=more)  # type: ignore[arg-type]
    work(redis, tally)
    assert received == [("noop", [ONE])]
    assert tally.kept() == {}
    assert 0 < harm.ttl(job.key) <= delivery.RESULT_TTL_S


def test_a_worker_takes_no_commands_from_redis(redis: Redis, harm: Redis, tally: Tally) -> None:
    worker = DeliveryWorker(
        "default", redis, name="test", intake=Open(redis, threading.Event()), stop=threading.Event(),  # type: ignore[arg-type]
        may_claim=threading.Event(), tally=tally,
    )  # fmt: skip
    worker.bootstrap("CRITICAL")
    assert harm.publish("rq:pubsub:test", json.dumps({"command": "shutdown"})) == 0
    worker.teardown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("key", ["rq:queue:default", "rq:queue:default:intermediate", "rq:wip:default"])
def test_a_queue_of_the_wrong_type_is_removed_and_the_next_envelope_received(
    redis: Redis, harm: Redis, tally: Tally, received: list[tuple[str, list[str]]], key: str
) -> None:
    harm.set(key, "x")
    if key != "rq:queue:default":
        delivery.send(delivery.queue("default", redis), [Envelope("noop", [ONE])])
    work(redis, tally)
    assert harm.type(key) != b"string"
    delivery.send(delivery.queue("default", redis), [Envelope("noop", [TWO])])
    work(redis, tally)
    assert ("noop", [TWO]) in received


def test_what_is_called_is_checked_a_second_time(redis: Redis) -> None:
    job = Queue("default", connection=redis, serializer=JSONSerializer).enqueue(CHORE, "argument")
    with pytest.raises(delivery.ForeignJob):
        _ = delivery.DeliveryJob.fetch(job.id, redis).func
