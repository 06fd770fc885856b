"""Lost deliveries are taken back, corrupt entries are dropped, and other entries are not affected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ResponseError

from app.broker.contents import current_generation, put_durations
from app.broker.corrupt_keys import drop_corrupt_keys
from app.broker.due_set import LOST_AFTER_S, MAX_IN_FLIGHT_S, Route
from app.broker.keys import IN_FLIGHT, delivered_key, due_key
from tests.integration.due_tasks import NOOP, NOW, due, id_of, promote

if TYPE_CHECKING:
    from redis import Redis

    from app.broker.due_set import DueSet


def test_an_unclaimed_delivery_is_taken_back(due_set: DueSet) -> None:
    due_set.add([due("a", -1)])
    due_set.confirm(due_set.promote([NOOP], now=NOW.timestamp()))
    assert due_set.take_back(["noop"], now=NOW.timestamp() + LOST_AFTER_S - 0.1) == 0
    assert due_set.take_back(["noop"], now=NOW.timestamp() + LOST_AFTER_S) == 1
    assert promote(due_set, at=LOST_AFTER_S)[0] == {"noop": ["a"]}


def test_a_promotion_that_was_never_pushed_is_taken_back_at_once(due_set: DueSet) -> None:
    due_set.add([due("a", -1)])
    lost_at = due_set.promote([NOOP], now=NOW.timestamp()).lost_at
    assert lost_at == pytest.approx(NOW.timestamp() + MAX_IN_FLIGHT_S, abs=0.002)
    assert due_set.take_back(["noop"], now=lost_at - 0.01) == 0
    assert due_set.take_back(["noop"], now=lost_at) == 1


def test_a_large_promotion_that_was_never_pushed_is_taken_back_whole_and_alone(due_set: DueSet) -> None:
    routes, now = [Route("noop", "default", 500)], NOW.timestamp()
    due_set.add([due("a", -2)])
    due_set.confirm(due_set.promote(routes, now=now - 1))
    due_set.add([due(f"{n}", -1) for n in range(1300)])
    assert len(due_set.promote(routes, now=now).taken[0].ids) == 1300
    assert (
        due_set.take_back(["noop"], now=now + MAX_IN_FLIGHT_S) + due_set.take_back(["noop"], now=now + MAX_IN_FLIGHT_S)
        == 1300
    )
    assert due_set.sizes(["noop"]) == (1300, 1)


def test_a_promotion_that_was_executed_twice_counts_as_two(due_set: DueSet) -> None:
    """This happens when the answer of Redis is lost and redis-py repeats the call."""
    routes, now = [Route("noop", "default", 500)], NOW.timestamp()
    due_set.add([due("a", -1)])
    due_set.promote(routes, now=now)
    due_set.add([due("b", -1)])
    due_set.confirm(due_set.promote(routes, now=now))
    assert due_set.take_back(["noop"], now=now + MAX_IN_FLIGHT_S) == 1
    assert promote(due_set, at=MAX_IN_FLIGHT_S)[0] == {"noop": ["a"]}


def test_ids_taken_before_a_script_failed_are_taken_back_at_once(due_set: DueSet, redis: Redis) -> None:
    due_set.add([due("a", -1)])
    redis.set("rq:workers:other", "of the wrong type")
    due_set.add([due("b", -1, "foo")])
    with pytest.raises(ResponseError):
        due_set.promote([NOOP, Route("foo", "other", 1)], now=NOW.timestamp())
    assert due_set.take_back(["noop"], now=NOW.timestamp() + MAX_IN_FLIGHT_S) == 1


@pytest.mark.parametrize("strange", [b"", b"nan", b"-inf", b"1e3", b"(1", b"\xff", b"x" * 10_000])
def test_an_invalid_name_of_a_promotion_is_removed(due_set: DueSet, redis: Redis, strange: bytes) -> None:
    redis.zadd(IN_FLIGHT, {strange: 0})
    assert due_set.take_back(["noop"], now=NOW.timestamp()) == 0
    assert not redis.exists(IN_FLIGHT)


def test_ids_claimed_before_their_promotion_was_confirmed_stay_removed(due_set: DueSet, redis: Redis) -> None:
    due_set.add([due("a", -1)])
    made = due_set.promote([NOOP], now=NOW.timestamp())
    due_set.remove("noop", made.taken[0].ids)
    due_set.confirm(made)
    assert not redis.exists(delivered_key("noop"))


def test_a_delivery_is_taken_back_after_the_clock_was_set_back_an_hour(due_set: DueSet) -> None:
    due_set.add([due("a", -1)])
    promote(due_set)
    assert due_set.take_back(["noop"], now=NOW.timestamp() - LOST_AFTER_S + 0.1) == 0
    assert due_set.take_back(["noop"], now=NOW.timestamp() - 3600) == 1


def test_ids_neither_in_the_due_set_nor_delivered_are_unknown(due_set: DueSet) -> None:
    due_set.add([due("delivered", -1), due("scheduled", 5)])
    promote(due_set)
    lost = due("lost", -1)
    assert due_set.unknown([due("delivered", -1), due("scheduled", 5), lost], now=NOW) == [lost]
    assert due_set.sizes(["noop"]) == (1, 1)


@pytest.mark.parametrize("key", [due_key("noop"), delivered_key("noop")])
@pytest.mark.parametrize("foreign_score", [float("inf"), NOW.timestamp() + 3600])
def test_a_due_task_with_a_foreign_score_far_ahead_counts_as_unknown(
    due_set: DueSet, redis: Redis, key: str, foreign_score: float
) -> None:
    task = due("a", -1)
    redis.zadd(key, {task.id: foreign_score})
    assert due_set.unknown([task], now=NOW) == [task]


def test_invalid_ids_are_dropped_and_valid_ones_are_promoted(due_set: DueSet, redis: Redis) -> None:
    due_set.add([due("a", -1)])
    for strange in (
        b"",
        b"\xff\x00",
        b"x" * 10_000,
        b"'; --",
        id_of("b").upper().encode(),
        id_of("b").encode() + b"\n",
    ):
        redis.zadd(due_key("noop"), {strange: NOW.timestamp() - 60})
        redis.zadd(delivered_key("noop"), {strange + b"2": 1})
    assert promote(due_set)[0] == {"noop": ["a"]}
    assert due_set.sizes(["noop"]) == (0, 7)
    due_set.take_back(["noop"], now=NOW.timestamp())
    promote(due_set)
    assert due_set.sizes(["noop"]) == (0, 1)


@pytest.mark.parametrize("instant", ["-inf", -1e300, -1, 0, 1e-300])
def test_an_absurd_score_delays_no_other_task(due_set: DueSet, redis: Redis, instant: float | str) -> None:
    redis.execute_command("ZADD", due_key("noop"), instant, id_of("a"))
    due_set.add([due("b", -1)])
    assert promote(due_set)[0] == {"noop": ["a", "b"]}
    redis.execute_command("ZADD", due_key("noop"), "+inf", id_of("a"))
    assert promote(due_set) == ({"noop": []}, float("inf"))
    due_set.add([due("c", 5)])
    assert promote(due_set)[1] == NOW.timestamp() + 5


def test_a_wiped_redis_has_another_generation(redis: Redis, harm: Redis) -> None:
    first = current_generation(redis)
    assert current_generation(redis) == first
    harm.flushall()
    assert current_generation(redis) != first


def test_keys_of_a_wrong_type_are_removed_and_all_others_left(redis: Redis, harm: Redis) -> None:
    harm.set("punctual:due:noop", "x")
    harm.hset("punctual:rq:queue:default", "x", "y")
    harm.lpush("punctual:generation", "x")
    harm.set("their:key", "x")
    put_durations(redis, {"noop": 0.5})
    redis.rpush("rq:queue:other", "x")
    wrong = drop_corrupt_keys(redis, types=["noop", "foo"], queues=["default", "other"])
    assert sorted(wrong) == ["due:noop", "generation", "rq:queue:default"]
    assert sorted(harm.keys()) == [b"punctual:durations", b"punctual:rq:queue:other", b"their:key"]
    assert drop_corrupt_keys(redis, types=["noop"], queues=["default"]) == []
