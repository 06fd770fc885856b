"""The promoter: due ids become RQ deliveries of the right size, by Postgres' clock."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.broker.contents import put_durations
from app.broker.due_set import Route
from app.broker.keys import delivered_key
from app.broker.rq import jobs
from app.broker.rq.jobs import MAX_IDS
from app.ledger import server
from tests.making import ahead, ids, make
from workers.promoter import Promoter, delivery_size

if TYPE_CHECKING:
    from redis import Redis
    from rq import Queue
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.operations import Operations
    from app.task_types import TaskTypes

PATIENCE_S = 10.0


@pytest.fixture
def promoter(engine: Engine, redis: Redis, types: TaskTypes) -> Promoter:
    return Promoter(engine, redis, types)


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return jobs.queue("default", redis)


def deliveries_on(queue: Queue) -> list[tuple[str, list[str]]]:
    return [(job.args[0], job.args[1] + [task_id for task_id, _ in job.args[2]]) for job in queue.jobs]


@pytest.mark.parametrize(
    ("duration_ms", "size"),
    [(None, 1), (3000, 8), (200, 8), (50, 32), (5, 64), (1, 64), (0.01, MAX_IDS), (0, MAX_IDS)],
)
def test_a_delivery_holds_about_50_ms_of_work_or_a_few_slow_tasks(duration_ms: float | None, size: int) -> None:
    assert delivery_size(duration_ms) == size


def test_due_tasks_are_delivered_and_others_stay(promoter: Promoter, operations: Operations, queue: Queue) -> None:
    (due,) = make(operations)
    make(operations, at=ahead(60))
    promoter.step()
    assert deliveries_on(queue) == [("noop", ids([due]))]
    assert not promoter.step()
    assert queue.count == 1


def test_a_type_that_never_ran_is_delivered_one_by_one_and_its_backlog_waits(
    promoter: Promoter, operations: Operations, queue: Queue
) -> None:
    make(operations, 20)
    promoter.step()
    assert [len(each) for _, each in deliveries_on(queue)] == [1, 1, 1]


def test_fast_tasks_share_deliveries_and_types_take_turns(
    promoter: Promoter, operations: Operations, queue: Queue, redis: Redis
) -> None:
    put_durations(redis, {"noop": 0.5, "whoami": 0.5})
    make(operations, 250)
    make(operations, 150, task_type="whoami")
    promoter.step()
    assert [(name, len(each)) for name, each in deliveries_on(queue)] == [
        ("noop", 100), ("whoami", 100), ("noop", 100), ("whoami", 50), ("noop", 50),
    ]  # fmt: skip


def test_tasks_due_in_milliseconds_are_delivered_ahead_with_their_instants(  # noqa: PLR0917  # fixtures
    engine: Engine, redis: Redis, types: TaskTypes, operations: Operations, queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    now = ahead(60)
    monkeypatch.setattr(server, "clock", lambda _: now)
    (soon,) = make(operations, at=now + timedelta(milliseconds=40))
    Promoter(engine, redis, types, clock=now.timestamp).step()
    assert [job.args for job in queue.jobs] == [["noop", [], [[str(soon.id), soon.execute_at.timestamp()]]]]


def test_no_delivery_holds_more_than_a_fair_share_of_the_backlog(
    promoter: Promoter, operations: Operations, queue: Queue, redis: Redis
) -> None:
    put_durations(redis, {"noop": 0.01})
    redis.sadd("rq:workers:default", "one", "two")
    make(operations, 300)
    promoter.step()
    assert [len(each) for _, each in deliveries_on(queue)] == [150, 150]


def test_ids_in_flight_at_a_killed_promoter_are_delivered_by_the_next(
    promoter: Promoter, operations: Operations, queue: Queue, due_set: DueSet
) -> None:
    (due,) = make(operations)
    due_set.promote([Route("noop", "default", 1)], now=time.time())  # as a promoter that dies before it pushes
    deadline = time.monotonic() + PATIENCE_S
    while not queue.count and time.monotonic() < deadline:
        promoter.step()
        promoter.wait()
    assert deliveries_on(queue) == [("noop", ids([due]))]


def test_external_types_are_never_delivered(promoter: Promoter, operations: Operations, queue: Queue) -> None:
    make(operations, 3, task_type="outside")
    promoter.step()
    assert queue.count == 0


def test_a_wrong_clock_starts_no_task_early(
    engine: Engine, redis: Redis, types: TaskTypes, operations: Operations, queue: Queue
) -> None:
    make(operations, at=ahead(2))
    for skew_s in (-3600.0, 3600.0):
        Promoter(engine, redis, types, clock=lambda skew_s=skew_s: time.time() + skew_s).step()  # type: ignore[misc]
        assert queue.count == 0


def test_a_slow_clock_delays_no_task(
    engine: Engine, redis: Redis, types: TaskTypes, operations: Operations, queue: Queue
) -> None:
    make(operations, at=ahead(-2))
    Promoter(engine, redis, types, clock=lambda: time.time() - 3600).step()
    assert queue.count == 1


def test_the_promoter_wakes_for_a_new_earliest_task(promoter: Promoter, operations: Operations, queue: Queue) -> None:
    make(operations, at=ahead(60))
    promoter.step()
    promoter.wait()  # subscribes
    promoter.step()
    (soon,) = make(operations, at=ahead(0.05))
    deadline = time.monotonic() + 0.9  # less than its polling interval
    while not queue.count:
        assert time.monotonic() < deadline
        promoter.wait()
        promoter.step()
    assert deliveries_on(queue) == [("noop", ids([soon]))]


def test_two_promoters_deliver_each_task_once(
    engine: Engine, due_set: DueSet, types: TaskTypes, operations: Operations, queue: Queue
) -> None:
    redis = due_set.redis
    put_durations(redis, {"noop": 0.1})
    made = make(operations, 3000)
    promoters = [Promoter(engine, redis, types) for _ in range(2)]
    delivered: list[str] = []
    while len(delivered) < 3000:
        for each in promoters:
            each.step()
        claimed = [task_id for _, those in deliveries_on(queue) for task_id in those]
        due_set.remove("noop", claimed or ["none"])
        delivered += claimed
        redis.delete(queue.key)
    assert sorted(delivered) == sorted(ids(made))


def test_unclaimed_deliveries_are_delivered_again(
    promoter: Promoter, types: TaskTypes, operations: Operations, queue: Queue, redis: Redis
) -> None:
    (task,) = make(operations)
    promoter.step()
    redis.delete(queue.key)
    redis.zadd(delivered_key(task.type), {str(task.id): 0})
    Promoter(operations.engine, redis, types).step()
    assert deliveries_on(queue) == [("noop", ids([task]))]
