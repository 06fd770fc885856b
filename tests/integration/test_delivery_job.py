"""RQ jobs that are not ours: write access to Redis does not make a worker run foreign code."""

from __future__ import annotations

import json
import os
import pickle
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from rq import Queue
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from app.broker.rq.jobs import RESULT_TTL_S, Delivery, ForeignJob, accepting, push, queue
from app.counter_buffer import CounterBuffer
from app.ledger.counters import Counter
from tests.integration.foreign_jobs import CHORE, DELIVER, FOREIGN, RAW, push_raw
from tests.integration.receiving import Received, receiver, work
from workers.chores import CHORES

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

ONE, TWO, THREE = (str(uuid4()) for _ in range(3))


@pytest.fixture
def received() -> Received:
    return []


@pytest.fixture
def counters(engine: Engine) -> CounterBuffer:
    return CounterBuffer(engine)


def test_our_deliveries_are_received(redis: Redis, counters: CounterBuffer, received: Received) -> None:
    push(queue("default", redis), [Delivery("noop", [ONE, TWO]), Delivery("foo", [], [(THREE, 9.5)])])
    work(redis, counters, received)
    assert received == [("noop", [ONE, TWO]), ("foo", [[THREE, 9.5]])]
    assert counters.pending() == {}


@pytest.mark.parametrize(("function", "arguments"), FOREIGN, ids=lambda value: str(value)[:40])
def test_a_job_that_is_no_delivery_is_refused_and_counted(
    redis: Redis, counters: CounterBuffer, received: Received, function: str, arguments: list[Any]
) -> None:
    job = Queue("default", connection=redis, serializer=JSONSerializer).enqueue(function, args=arguments)
    work(redis, counters, received)
    assert job.get_status() == JobStatus.FAILED
    assert job.id in queue("default", redis).failed_job_registry
    assert received == []
    assert counters.pending() == {Counter.REFUSED_JOBS: 1}


@pytest.mark.parametrize("name", RAW)
def test_any_entry_of_the_queue_is_refused_and_the_next_delivery_received(
    redis: Redis, counters: CounterBuffer, received: Received, name: str, tmp_path: Path
) -> None:
    push_raw(redis, name, canary=tmp_path / "sprung")
    push(queue("default", redis), [Delivery("noop", [ONE])])
    work(redis, counters, received).run_maintenance_tasks()
    assert received == [("noop", [ONE])]
    assert not (tmp_path / "sprung").exists()
    assert redis.lrange("rq:queue:default:intermediate", 0, -1) == []
    assert counters.pending() in ({Counter.REFUSED_JOBS: 1}, {})


def test_a_pickled_job_is_refused_and_not_unpickled(
    redis: Redis, counters: CounterBuffer, received: Received, tmp_path: Path
) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "made"),)

    job = Queue("default", connection=redis, serializer=JSONSerializer).enqueue(DELIVER, "x", [], [])
    redis.hset(job.key, "data", zlib.compress(pickle.dumps((DELIVER, None, (Trap(),), {}))))
    work(redis, counters, received)
    assert not (tmp_path / "made").exists()
    assert job.get_status() == JobStatus.FAILED


def test_other_fields_of_a_valid_delivery_are_ignored(
    redis: Redis, harm: Redis, counters: CounterBuffer, received: Received
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
    work(redis, counters, received)
    assert received == [("noop", [ONE])]
    assert counters.pending() == {}
    assert 0 < harm.ttl(f"punctual:{job.key}") <= RESULT_TTL_S


def test_a_worker_accepts_no_commands_from_redis(redis: Redis, harm: Redis, counters: CounterBuffer) -> None:
    worker = receiver(redis, counters, [])
    worker.bootstrap("CRITICAL")
    assert harm.publish("punctual:rq:pubsub:test", json.dumps({"command": "shutdown"})) == 0
    worker.teardown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("key", ["rq:queue:default", "rq:queue:default:intermediate", "rq:wip:default"])
def test_a_queue_of_the_wrong_type_is_removed_and_the_next_delivery_received(
    redis: Redis, harm: Redis, counters: CounterBuffer, received: Received, key: str
) -> None:
    harm.set(f"punctual:{key}", "x")
    if key != "rq:queue:default":
        push(queue("default", redis), [Delivery("noop", [ONE])])
    work(redis, counters, received)
    assert harm.type(f"punctual:{key}") != b"string"
    push(queue("default", redis), [Delivery("noop", [TWO])])
    work(redis, counters, received)
    assert ("noop", [TWO]) in received


def test_the_function_of_a_job_is_checked_again_before_the_call(redis: Redis) -> None:
    job = Queue("default", connection=redis, serializer=JSONSerializer).enqueue(CHORE, "argument")
    with pytest.raises(ForeignJob):
        _ = accepting(CHORES).fetch(job.id, redis).func
