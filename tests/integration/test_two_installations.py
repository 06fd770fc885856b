"""Two installations in one Redis with their own prefixes do not see each other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import pytest

from app.api.application import create_app
from app.api.auth.limits import MinuteCounts
from app.broker.contents import Contents, current_generation, get_durations, put_durations
from app.broker.corrupt_keys import drop_corrupt_keys
from app.broker.due_set import DueSet
from app.broker.keys import WAKE_CHANNEL
from app.connections import connect_redis
from app.counter_buffer import CounterBuffer
from app.operations import Operations
from tests.integration.api_calls import body
from tests.integration.conftest import close_connections
from tests.integration.receiving import Received, receiver, work
from tests.making import ids, make
from workers.chores import CHORES
from workers.housekeeping import Housekeeping
from workers.promoter import Promoter

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.task_types import TaskTypes


class Installation:
    """The parts of one installation. Its Redis user has all rights, so that only the prefix separates the two."""

    def __init__(self, settings: Settings, engine: Engine, types: TaskTypes) -> None:
        self.settings, self.engine, self.types = settings, engine, types
        self.redis = connect_redis(settings, timeout_s=5)
        self.due_set = DueSet(self.redis)
        self.operations = Operations(engine, self.due_set, types, window_s=3600)
        self.promoter = Promoter(engine, self.redis, types)
        self.counters = CounterBuffer(engine)

    def receive(self) -> list[str]:
        """Return the ids that the receiver takes from the queue."""
        received: Received = []
        work(self.redis, self.counters, received)
        return [each for _, ids in received for each in ids]


@pytest.fixture
def two(
    owners: dict[str, str], settings: Settings, engine: Engine, types: TaskTypes, redis: Redis
) -> Iterator[list[Installation]]:
    replace = msgspec.structs.replace
    made = [
        Installation(replace(settings, redis_url=owners["REDIS_URL"], redis_prefix=prefix), engine, types)
        for prefix in ("one", "one-more")
    ]
    yield made
    for each in made:
        each.redis.close()


def test_each_delivers_and_receives_its_own_tasks(two: list[Installation], harm: Redis) -> None:
    one, more = two
    its, theirs = make(one.operations, 3), make(more.operations, 2)
    put_durations(one.redis, {"noop": 0.1})
    assert get_durations(more.redis) == {}
    one.promoter.step()
    assert more.due_set.sizes(["noop"]) == (2, 0)
    assert more.receive() == []
    assert sorted(one.receive()) == sorted(ids(its))
    more.promoter.step()
    assert one.receive() == []
    assert sorted(more.receive()) == sorted(ids(theirs))
    assert one.due_set.sizes(["noop"]) == (0, 3)
    one.due_set.remove("noop", ids(its) + ids(theirs))
    assert more.due_set.sizes(["noop"]) == (0, 2)
    assert {key.partition(b":")[0] for key in harm.scan_iter()} == {b"one", b"one-more"}


def test_neither_takes_back_or_wakes_or_counts_for_the_other(two: list[Installation]) -> None:
    one, more = two
    listener = more.redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe(WAKE_CHANNEL)
    listener.get_message(timeout=1)
    make(one.operations)
    assert listener.get_message(timeout=0.1) is None
    listener.close()
    one.promoter.step()
    assert more.due_set.take_back(["noop"], now=time.time() + 60) == 0
    assert one.due_set.take_back(["noop"], now=time.time() + 60) == 1
    assert current_generation(one.redis) != current_generation(more.redis)
    assert [MinuteCounts(each.redis, clock=lambda: 0.0).count("x").number for each in two] == [1, 1]


def test_housekeeping_of_one_changes_no_key_of_the_other(two: list[Installation]) -> None:
    one, more = two
    Housekeeping(one.redis, queue_name="default").step()
    assert more.redis.zcard("rq:scheduler:scheduled_jobs") == 0
    Housekeeping(more.redis, queue_name="default").step()
    for each in two:
        assert each.redis.llen("rq:queue:default") == len(CHORES)
        each.redis.set("durations", "of the wrong type")
    assert drop_corrupt_keys(one.redis, types=["noop"], queues=["default"]) == ["durations"]
    assert not one.redis.exists("durations")
    assert more.redis.exists("durations")
    assert Contents(more.redis).depths(["noop"], ["default"]).rq_queues == {"default": len(CHORES)}


def test_the_dashboard_shows_its_own_queues_jobs_and_workers(two: list[Installation]) -> None:
    one = two[0]
    make(one.operations)
    one.promoter.step()
    worker = receiver(one.redis, one.counters, [])
    worker.register_birth()
    shown = []
    for each in two:
        app = create_app(each.settings, each.types)
        client = app.test_client()
        jobs = body(client.get("/rq/0/data/jobs/default/queued/8/asc/1.json"))["jobs"]
        queues, workers = (body(client.get(f"/rq/0/data/{what}.json"))[what] for what in ("queues", "workers"))
        shown.append((len(jobs), [each["name"] for each in queues], [each["name"] for each in workers]))
        close_connections(app)
    assert shown == [(1, ["default"], ["test"]), (0, [], [])]
