"""Feeding: tasks that enter the window are added to the due set, and all tasks of the window after a loss."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import RedisError

from app.broker.due_set import FEED_INTERVAL_S
from app.config import read_settings
from app.connections import connect_redis
from tests.making import NOWHERE, ahead, change, ids, make
from workers.feeding import RESYNC_INTERVAL_S, Feeding
from workers.sweeper import POLL_INTERVAL_S, Sweeper

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.config import Settings
    from app.operations import Operations
    from app.task_types import TaskTypes


@pytest.fixture
def passed_s() -> list[float]:
    """The time of the clock, which the test sets."""
    return [0.0]


@pytest.fixture
def feeding(engine: Engine, due_set: DueSet, passed_s: list[float]) -> Feeding:
    """A feeding that has finished its first round, of no tasks."""
    feeding = Feeding(engine, due_set, lambda _: True, window_s=3600, clock=lambda: passed_s[0])
    feed_all(feeding)
    return feeding


def feed_all(feeding: Feeding) -> None:
    while feeding.step():
        pass


def test_a_wiped_redis_gets_the_whole_window_again_late_tasks_first(
    sweeper: Sweeper, operations: Operations, due_set: DueSet, harm: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.feeding.BATCH", 10)
    make(operations, 15)
    make(operations, 10, at=ahead(600))
    make(operations, 3, at=ahead(7200))
    feed_all(sweeper.feeding)
    harm.flushall()
    assert (sweeper.feeding.step(), sweeper.feeding.rest_s) == (True, 0)
    assert due_set.sizes(["noop"]) == (10, 0)
    assert due_set.redis.zcount("due:noop", "-inf", time.time()) == 10
    feed_all(sweeper.feeding)
    assert due_set.sizes(["noop"]) == (25, 0)


def test_a_wiped_redis_gets_tasks_of_the_year_1(
    sweeper: Sweeper, operations: Operations, due_set: DueSet, harm: Redis
) -> None:
    instants = (datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 7, 20, tzinfo=UTC))
    long_ago = ids([task for at in instants for task in make(operations, at=at)])
    harm.flushall()
    feed_all(sweeper.feeding)
    assert due_set.redis.zrange("due:noop", 0, -1) == [each.encode() for each in long_ago]


def test_the_sweeper_restores_a_task_of_the_year_1(
    sweeper: Sweeper, operations: Operations, due_set: DueSet, harm: Redis
) -> None:
    sweeper.step()
    (task,) = make(operations, at=datetime(1, 1, 1, tzinfo=UTC))
    harm.flushall()
    assert sweeper.restore() == 1
    assert due_set.redis.zscore("due:noop", str(task.id)) is not None


def test_tasks_due_soon_are_fed_without_pauses_and_later_ones_with_pauses(
    sweeper: Sweeper, operations: Operations, due_set: DueSet, harm: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sweeper.SWEEP_INTERVAL_S", 600)
    monkeypatch.setattr("workers.feeding.BATCH", 4)
    make(operations, 6)
    make(operations, 10, at=ahead(600))
    sweeper.step()  # the next sweep is far away
    harm.flushall()
    fed, rested = [], []
    for goes_on_at_once in (True, True, False, False, False):
        assert sweeper.step() == goes_on_at_once
        fed.append(due_set.sizes(["noop"])[0])
        rested.append(0 < sweeper.pause_s < POLL_INTERVAL_S)
    assert fed == [4, 8, 12, 16, 16]  # the second batch begins with overdue tasks
    assert rested == [False, False, True, True, False]
    assert sweeper.pause_s == POLL_INTERVAL_S


def test_tasks_of_all_types_are_fed_in_the_order_of_their_instants(
    sweeper: Sweeper, operations: Operations, due_set: DueSet, harm: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.feeding.BATCH", 4)
    make(operations, 12, task_type="whoami", at=ahead(600))
    make(operations, 12, at=ahead(30))
    harm.flushall()
    assert [(sweeper.feeding.step(), sweeper.feeding.rest_s) for _ in range(3)] == [(True, 0)] * 3
    assert due_set.sizes(["noop"]) == (12, 0)
    assert due_set.sizes(["whoami"]) == (0, 0)
    feed_all(sweeper.feeding)
    assert due_set.sizes(["whoami"]) == (12, 0)


def test_tasks_that_enter_a_short_window_are_fed_before_they_are_due(
    engine: Engine, operations: Operations, due_set: DueSet, harm: Redis
) -> None:
    passed_s = [0.0]
    feeding = Feeding(engine, due_set, lambda _: True, window_s=10, clock=lambda: passed_s[0])
    feed_all(feeding)
    (task,) = make(operations, at=ahead(12))
    harm.delete("punctual:due:noop")
    change(engine, task.id, "execute_at = clock_timestamp() + interval '10 s'")  # it enters the window now
    passed_s[0] += 3
    feed_all(feeding)
    assert due_set.sizes(["noop"]) == (0, 0)
    passed_s[0] += 2  # half a window after the last round
    feed_all(feeding)
    assert due_set.sizes(["noop"]) == (1, 0)


def test_a_resync_feeds_the_window_again_except_tasks_due_in_seconds(
    feeding: Feeding, passed_s: list[float], operations: Operations, due_set: DueSet, harm: Redis
) -> None:
    make(operations, 5, at=ahead(600))
    make(operations, 2, at=ahead(5))
    harm.delete("punctual:due:noop")
    for resyncs, known in ((False, 0), (True, 5), (False, 5)):
        if resyncs:
            feeding.resync()
        passed_s[0] += FEED_INTERVAL_S
        feed_all(feeding)
        assert due_set.sizes(["noop"]) == (known, 0)
    harm.delete("punctual:due:noop")
    passed_s[0] += RESYNC_INTERVAL_S
    feed_all(feeding)
    assert due_set.sizes(["noop"]) == (5, 0)


def test_the_sweeper_resyncs_a_redis_that_was_unavailable(  # noqa: PLR0917  # fixtures
    engine: Engine, redis: Redis, types: TaskTypes, settings: Settings, operations: Operations, due_set: DueSet,
    harm: Redis, passed_s: list[float], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sweeper = Sweeper(engine, redis, types, settings, clock=lambda: passed_s[0])
    sweeper.step()
    make(operations, 3, at=ahead(600))
    harm.delete("punctual:due:noop")
    with monkeypatch.context() as patch:
        patch.setattr(sweeper.feeding.due_set, "redis", connect_redis(read_settings(NOWHERE)))
        with pytest.raises(RedisError):
            sweeper.step()
    passed_s[0] += FEED_INTERVAL_S
    sweeper.step()
    assert due_set.sizes(["noop"]) == (3, 0)


def test_a_round_feeds_only_tasks_that_entered_the_window_since_the_last_one(
    engine: Engine, feeding: Feeding, passed_s: list[float], operations: Operations, harm: Redis
) -> None:
    """A task created within the window was added at once. Feeding it again could deliver it twice."""
    make(operations, 5, at=ahead(600))
    (later,) = make(operations, 1, at=ahead(7200))
    passed_s[0] += FEED_INTERVAL_S
    feed_all(feeding)
    make(operations, 3, at=ahead(900))
    harm.delete("punctual:due:noop")
    change(engine, later.id, "execute_at = clock_timestamp() + interval '3600 s'")  # it enters the window now
    passed_s[0] += FEED_INTERVAL_S
    feed_all(feeding)
    assert harm.zrange("punctual:due:noop", 0, -1) == [str(later.id).encode()]


def test_feeding_by_several_sweepers_is_harmless(
    engine: Engine, operations: Operations, due_set: DueSet, harm: Redis
) -> None:
    make(operations, 7, at=ahead(60))
    harm.flushall()
    for _ in range(3):
        feed_all(Feeding(engine, due_set, lambda _: True, window_s=3600))
        assert due_set.sizes(["noop"]) == (7, 0)
