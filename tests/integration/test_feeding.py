"""Feeding: what comes within the window is on the schedule, and so is all that a Redis forgot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from app.config import read_settings
from app.connections import connect_redis
from app.operations import FEED_EVERY_S
from app.schedule.schedule import ScheduleAway
from tests.making import ahead, change, make
from workers.feeding import LOOK_THROUGH_EVERY_S, Feeding
from workers.sweeper import LOOK_EVERY_S, Sweeper

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.operations import Operations
    from app.schedule.schedule import Schedule
    from app.task_types import TaskTypes


NOWHERE = {"DATABASE_URL": "postgresql://x/y", "REDIS_URL": "redis://127.0.0.1:9"}


@pytest.fixture
def sweeper(engine: Engine, redis: Redis, types: TaskTypes, settings: Settings) -> Sweeper:
    return Sweeper(engine, redis, types, settings)


@pytest.fixture
def passed_s() -> list[float]:
    """The time of `feeding`, to be set."""
    return [0.0]


@pytest.fixture
def feeding(engine: Engine, schedule: Schedule, passed_s: list[float]) -> Feeding:
    """One that by now has fed what there is: nothing."""
    one = Feeding(engine, schedule, lambda _: True, window_s=3600, clock=lambda: passed_s[0])
    assert not one.step()
    return one


def test_a_wiped_redis_gets_the_whole_window_back_the_late_ones_first(
    sweeper: Sweeper, operations: Operations, schedule: Schedule, harm: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.feeding.PAGE", 10)
    monkeypatch.setattr("workers.feeding.BITE", 10)
    make(operations, 15)
    make(operations, 10, at=ahead(600))
    make(operations, 3, at=ahead(7200))
    while sweeper.feeding.step():
        pass
    harm.flushall()
    assert sweeper.feeding.step()
    assert schedule.sizes(["noop"]) == (10, 0)
    assert schedule.redis.zcount("punctual:schedule:noop", "-inf", time.time()) == 10
    while sweeper.feeding.step():
        pass
    assert schedule.sizes(["noop"]) == (25, 0)


def test_what_is_due_soon_is_fed_in_pages_and_what_is_due_later_in_bites_with_rests(
    sweeper: Sweeper, operations: Operations, schedule: Schedule, harm: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sweeper.SWEEP_EVERY_S", 600)
    monkeypatch.setattr("workers.feeding.PAGE", 10)
    monkeypatch.setattr("workers.feeding.BITE", 4)
    make(operations, 15)
    make(operations, 10, at=ahead(600))
    sweeper.step()  # and sweeps no more
    harm.flushall()
    fed, rested = [], []
    for goes_on_at_once in (True, True, False, False):
        assert sweeper.step() == goes_on_at_once
        fed.append(schedule.sizes(["noop"])[0])
        rested.append(sweeper.pause_s == sweeper.feeding.rest_s > 0)
    assert fed == [10, 20, 24, 25]  # the second page begins with what is late
    assert rested == [False, False, True, False]
    assert sweeper.pause_s == LOOK_EVERY_S


def test_what_is_due_first_is_fed_first_whatever_its_type(
    sweeper: Sweeper, operations: Operations, schedule: Schedule, harm: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.feeding.PAGE", 4)
    monkeypatch.setattr("workers.feeding.BITE", 4)
    make(operations, 12, task_type="whoami", at=ahead(600))
    make(operations, 12, at=ahead(30))
    harm.flushall()
    assert [sweeper.feeding.step() for _ in range(3)] == [True] * 3
    assert schedule.sizes(["noop"]) == (12, 0)
    assert schedule.sizes(["whoami"]) == (0, 0)
    while sweeper.feeding.step():
        pass
    assert schedule.sizes(["whoami"]) == (12, 0)


def test_what_redis_may_not_have_heard_is_said_again_by_the_next_round_unless_it_is_on_its_way(
    feeding: Feeding, passed_s: list[float], operations: Operations, schedule: Schedule, harm: Redis
) -> None:
    make(operations, 5, at=ahead(600))
    make(operations, 2, at=ahead(5))
    harm.delete("punctual:schedule:noop")
    for doubted, known in ((False, 0), (True, 5), (False, 5)):
        if doubted:
            feeding.doubt()
        passed_s[0] += FEED_EVERY_S
        assert not feeding.step()
        assert schedule.sizes(["noop"]) == (known, 0)
    harm.delete("punctual:schedule:noop")
    passed_s[0] += LOOK_THROUGH_EVERY_S
    assert not feeding.step()
    assert schedule.sizes(["noop"]) == (5, 0)


def test_the_sweeper_doubts_a_redis_that_was_away(
    sweeper: Sweeper, operations: Operations, schedule: Schedule, harm: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeper.step()
    make(operations, 3, at=ahead(600))
    harm.delete("punctual:schedule:noop")
    with monkeypatch.context() as away:
        away.setattr(sweeper.feeding._schedule, "redis", connect_redis(read_settings(NOWHERE)))
        with pytest.raises(ScheduleAway):
            sweeper.step()
    sweeper.feeding._next_round_at_s = 0.0
    sweeper.step()
    assert schedule.sizes(["noop"]) == (3, 0)


def test_a_round_feeds_what_has_come_within_the_window_since_the_one_before(
    engine: Engine, feeding: Feeding, passed_s: list[float], operations: Operations, harm: Redis
) -> None:
    """What was created within it was announced: to say it again would deliver twice what is on its way."""
    make(operations, 5, at=ahead(600))
    (later,) = make(operations, 1, at=ahead(7200))
    passed_s[0] += FEED_EVERY_S
    assert not feeding.step()
    make(operations, 3, at=ahead(900))
    harm.delete("punctual:schedule:noop")
    change(engine, later.id, "execute_at = clock_timestamp() + interval '3600 s'")  # it enters the window now
    passed_s[0] += FEED_EVERY_S
    assert not feeding.step()
    assert harm.zrange("punctual:schedule:noop", 0, -1) == [str(later.id).encode()]


def test_feeding_twice_or_by_two_is_harmless(  # noqa: PLR0917  # fixtures
    sweeper: Sweeper, engine: Engine, redis: Redis, types: TaskTypes, settings: Settings, operations: Operations,
    schedule: Schedule,
) -> None:  # fmt: skip
    make(operations, 7, at=ahead(60))
    for each in (sweeper, sweeper, Sweeper(engine, redis, types, settings)):
        each.step()
    assert schedule.sizes(["noop"]) == (7, 0)
