"""The schedule in a real Valkey."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from redis.exceptions import ResponseError

from app.schedule.durations import get_durations, put_durations
from app.schedule.generation import current_generation
from app.schedule.mending import mend
from app.schedule.schedule import (
    BEGIN_AHEAD_S,
    IN_HAND,
    IN_HAND_S,
    LOOK_AHEAD_S,
    LOST_AFTER_S,
    WAKE_CHANNEL,
    Lane,
    Pass,
    Schedule,
    delivered_key,
    schedule_key,
    score,
)
from app.task import Due

if TYPE_CHECKING:
    from redis import Redis

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOOP = Lane("noop", "default", envelope=10)


def id_of(name: str) -> str:
    return str(uuid5(NAMESPACE_OID, name))


NAMES = {id_of(name): name for name in "abc"}


def due(name: str, seconds: float, task_type: str = "noop") -> Due:
    return Due(id_of(name), task_type, NOW + timedelta(seconds=seconds))


def promote(schedule: Schedule, *lanes: Lane, at: float = 0) -> tuple[dict[str, list[str]], float]:
    made = schedule.promote(lanes or [NOOP], now=NOW.timestamp() + at)
    return {each.type: [NAMES.get(task_id, task_id) for task_id in each.ids] for each in made.taken}, made.next_at


def test_what_is_due_is_taken_in_order_and_what_is_not_stays(schedule: Schedule) -> None:
    schedule.add([due("c", 1), due("b", -1), due("a", -2)])
    assert promote(schedule) == ({"noop": ["a", "b"]}, NOW.timestamp() + 1)
    assert promote(schedule) == ({"noop": []}, NOW.timestamp() + 1)


def test_what_is_due_in_a_moment_comes_along_with_its_instant(schedule: Schedule) -> None:
    schedule.add([due("a", BEGIN_AHEAD_S), due("b", LOOK_AHEAD_S), due("c", LOOK_AHEAD_S + 0.01)])
    assert schedule.promote([NOOP], now=NOW.timestamp() - 0.01).taken[0].ahead == []
    made = schedule.promote([NOOP], now=NOW.timestamp() + 0.001)
    assert (made.taken[0].ids, made.taken[0].left) == ([], 0)
    assert made.taken[0].ahead == [
        (id_of("a"), NOW.timestamp() + BEGIN_AHEAD_S), (id_of("b"), NOW.timestamp() + LOOK_AHEAD_S),
    ]  # fmt: skip
    assert made.next_at == NOW.timestamp() + LOOK_AHEAD_S + 0.01
    assert schedule.sizes(["noop"]) == (1, 2)


def test_an_instant_is_kept_to_the_microsecond(schedule: Schedule) -> None:
    schedule.add([due("a", 0.000002)])
    assert promote(schedule)[0] == {"noop": []}
    assert score(NOW + timedelta(microseconds=1)) == NOW.timestamp() + 0.000001


def test_types_have_lanes_of_their_own(schedule: Schedule) -> None:
    schedule.add([due("a", -2), due("b", -1, "foo")])
    assert promote(schedule, NOOP, Lane("foo", "default", 1))[0] == {"noop": ["a"], "foo": ["b"]}


def test_only_so_many_of_a_type_are_on_their_way_and_others_do_not_mind(schedule: Schedule) -> None:
    schedule.add([due(f"{n:03}", -1) for n in range(50)])
    first = schedule.promote([NOOP], now=NOW.timestamp()).taken[0]
    assert (len(first.ids), first.left) == (30, 20)
    schedule.add([due("a", -1, "foo")])
    again, other = schedule.promote([NOOP, Lane("foo", "default", 1)], now=NOW.timestamp()).taken
    assert (again.ids, again.left, len(other.ids)) == ([], 20, 1)
    schedule.remove("noop", first.ids[:5])
    assert len(schedule.promote([NOOP], now=NOW.timestamp()).taken[0].ids) == 5


def test_while_envelopes_wait_none_follows_that_is_not_full(schedule: Schedule, redis: Redis) -> None:
    schedule.add([due(f"{n:03}", -1) for n in range(50)])
    first = schedule.promote([NOOP], now=NOW.timestamp()).taken[0]
    redis.rpush("rq:queue:default", "envelope")
    schedule.remove("noop", first.ids[:9])
    less_than_an_envelope = schedule.promote([NOOP], now=NOW.timestamp()).taken[0]
    assert (less_than_an_envelope.ids, less_than_an_envelope.left) == ([], 20)
    schedule.remove("noop", first.ids[:10])
    assert len(schedule.promote([NOOP], now=NOW.timestamp()).taken[0].ids) == 10


def test_a_full_queue_leaves_ids_on_the_schedule(schedule: Schedule, redis: Redis) -> None:
    schedule.add([due("a", -1)])
    redis.rpush("rq:queue:default", *["envelope"] * 8)
    taken = schedule.promote([NOOP], now=NOW.timestamp()).taken
    assert (taken[0].ids, taken[0].left) == ([], 1)


def test_two_passes_never_take_the_same_id(schedule: Schedule) -> None:
    schedule.add([due(f"{n}", -1) for n in range(5000)])
    taken: list[str] = []
    while some := schedule.promote([Lane("noop", "default", 500)], now=NOW.timestamp()).taken[0].ids:
        taken += some
        schedule.remove("noop", some)
    assert len(taken) == len(set(taken)) == 5000


def test_a_delivery_that_nobody_claims_comes_back(schedule: Schedule) -> None:
    schedule.add([due("a", -1)])
    schedule.sent(schedule.promote([NOOP], now=NOW.timestamp()))
    assert schedule.take_back(["noop"], now=NOW.timestamp() + LOST_AFTER_S - 0.1) == 0
    assert schedule.take_back(["noop"], now=NOW.timestamp() + LOST_AFTER_S) == 1
    assert promote(schedule, at=LOST_AFTER_S)[0] == {"noop": ["a"]}


def test_what_was_taken_and_never_sent_comes_back_at_once(schedule: Schedule) -> None:
    schedule.add([due("a", -1)])
    lost_at = schedule.promote([NOOP], now=NOW.timestamp()).lost_at
    assert lost_at == pytest.approx(NOW.timestamp() + IN_HAND_S, abs=0.002)
    assert schedule.take_back(["noop"], now=lost_at - 0.01) == 0
    assert schedule.take_back(["noop"], now=lost_at) == 1


def test_a_large_pass_that_was_never_sent_comes_back_whole_and_no_other_pass_with_it(schedule: Schedule) -> None:
    lanes, now = [Lane("noop", "default", 500)], NOW.timestamp()
    schedule.add([due("a", -2)])
    schedule.sent(schedule.promote(lanes, now=now - 1))
    schedule.add([due(f"{n}", -1) for n in range(1300)])
    assert len(schedule.promote(lanes, now=now).taken[0].ids) == 1300
    assert schedule.take_back(["noop"], now=now + IN_HAND_S) + schedule.take_back(["noop"], now=now + IN_HAND_S) == 1300
    assert schedule.sizes(["noop"]) == (1300, 1)


def test_a_pass_that_was_carried_out_twice_is_two(schedule: Schedule) -> None:
    """As when its answer is lost, and redis-py sends it again."""
    lanes, now = [Lane("noop", "default", 500)], NOW.timestamp()
    schedule.add([due("a", -1)])
    schedule.promote(lanes, now=now)
    schedule.add([due("b", -1)])
    schedule.sent(schedule.promote(lanes, now=now))
    assert schedule.take_back(["noop"], now=now + IN_HAND_S) == 1
    assert promote(schedule, at=IN_HAND_S)[0] == {"noop": ["a"]}


def test_what_was_taken_before_a_script_failed_comes_back_at_once(schedule: Schedule, redis: Redis) -> None:
    schedule.add([due("a", -1)])
    redis.set("rq:workers:other", "of the wrong type")
    schedule.add([due("b", -1, "foo")])
    with pytest.raises(ResponseError):
        schedule.promote([NOOP, Lane("foo", "other", 1)], now=NOW.timestamp())
    assert schedule.take_back(["noop"], now=NOW.timestamp() + IN_HAND_S) == 1


@pytest.mark.parametrize("strange", [b"", b"nan", b"-inf", b"1e3", b"(1", b"\xff", b"x" * 10_000])
def test_what_is_no_name_of_a_pass_is_forgotten(schedule: Schedule, redis: Redis, strange: bytes) -> None:
    redis.zadd(IN_HAND, {strange: 0})
    assert schedule.take_back(["noop"], now=NOW.timestamp()) == 0
    assert not redis.exists(IN_HAND)


def test_what_was_claimed_before_it_was_said_to_be_sent_stays_forgotten(schedule: Schedule, redis: Redis) -> None:
    schedule.add([due("a", -1)])
    made = schedule.promote([NOOP], now=NOW.timestamp())
    schedule.remove("noop", made.taken[0].ids)
    schedule.sent(made)
    assert not redis.exists(delivered_key("noop"))


def test_a_delivery_comes_back_though_the_clock_was_set_back_an_hour(schedule: Schedule) -> None:
    schedule.add([due("a", -1)])
    promote(schedule)
    assert schedule.take_back(["noop"], now=NOW.timestamp() - LOST_AFTER_S + 0.1) == 0
    assert schedule.take_back(["noop"], now=NOW.timestamp() - 3600) == 1


def test_what_is_settled_is_forgotten_wherever_it_is(schedule: Schedule, redis: Redis) -> None:
    schedule.add([due("a", -1), due("b", 5)])
    promote(schedule)
    schedule.remove("noop", [id_of("a"), id_of("b"), id_of("unknown")])
    assert not redis.exists(schedule_key("noop"), delivered_key("noop"))


def test_unknown_are_those_neither_scheduled_nor_delivered(schedule: Schedule) -> None:
    schedule.add([due("delivered", -1), due("scheduled", 5)])
    promote(schedule)
    lost = due("lost", -1)
    assert schedule.unknown([due("delivered", -1), due("scheduled", 5), lost], now=NOW) == [lost]
    assert schedule.sizes(["noop"]) == (1, 1)


@pytest.mark.parametrize("key", [schedule_key("noop"), delivered_key("noop")])
@pytest.mark.parametrize("score_of_another", [float("inf"), NOW.timestamp() + 3600])
def test_a_due_task_that_somebody_put_far_ahead_is_as_good_as_unknown(
    schedule: Schedule, redis: Redis, key: str, score_of_another: float
) -> None:
    task = due("a", -1)
    redis.zadd(key, {task.id: score_of_another})
    assert schedule.unknown([task], now=NOW) == [task]


def test_whatever_is_no_id_is_dropped_and_its_neighbours_go_on(schedule: Schedule, redis: Redis) -> None:
    schedule.add([due("a", -1)])
    for strange in (
        b"",
        b"\xff\x00",
        b"x" * 10_000,
        b"'; --",
        id_of("b").upper().encode(),
        id_of("b").encode() + b"\n",
    ):
        redis.zadd(schedule_key("noop"), {strange: NOW.timestamp() - 60})
        redis.zadd(delivered_key("noop"), {strange + b"2": 1})
    assert promote(schedule)[0] == {"noop": ["a"]}
    assert schedule.sizes(["noop"]) == (0, 7)
    schedule.take_back(["noop"], now=NOW.timestamp())
    promote(schedule)
    assert schedule.sizes(["noop"]) == (0, 1)


@pytest.mark.parametrize("instant", ["-inf", -1e300, -1, 0, 1e-300])
def test_an_instant_of_another_world_is_only_a_hint(schedule: Schedule, redis: Redis, instant: float | str) -> None:
    redis.execute_command("ZADD", schedule_key("noop"), instant, id_of("a"))
    schedule.add([due("b", -1)])
    assert promote(schedule)[0] == {"noop": ["a", "b"]}
    redis.execute_command("ZADD", schedule_key("noop"), "+inf", id_of("a"))
    assert promote(schedule) == ({"noop": []}, float("inf"))
    schedule.add([due("c", 5)])
    assert promote(schedule)[1] == NOW.timestamp() + 5


def test_only_a_new_head_wakes_the_promoters(schedule: Schedule, redis: Redis) -> None:
    listener = redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe(WAKE_CHANNEL)
    listener.get_message(timeout=1)
    schedule.add([due("a", 10)])
    assert listener.get_message(timeout=1)
    schedule.add([due("b", 11)])
    assert listener.get_message(timeout=0.05) is None
    schedule.add([due("c", 9)])
    assert listener.get_message(timeout=1)
    listener.close()


def test_adding_again_moves_an_id(schedule: Schedule) -> None:
    schedule.add([due("a", 10)])
    schedule.add([due("a", -1)])
    assert promote(schedule)[0] == {"noop": ["a"]}


def test_more_ids_than_one_call_takes(schedule: Schedule) -> None:
    schedule.add([due(f"{n}", 5) for n in range(12_345)])
    assert schedule.sizes(["noop"]) == (12_345, 0)


def test_nothing_is_nothing(schedule: Schedule) -> None:
    schedule.add([])
    assert schedule.promote([], now=0) == Pass([])
    assert schedule.take_back([], now=0) == 0
    assert schedule.unknown([], now=NOW) == []


def test_a_wiped_redis_has_another_generation(redis: Redis, harm: Redis) -> None:
    first = current_generation(redis)
    assert current_generation(redis) == first
    harm.flushall()
    assert current_generation(redis) != first


def test_durations_are_kept_by_type(redis: Redis) -> None:
    put_durations(redis, {"noop": 0.0125, "foo": 3000.0})
    assert get_durations(redis) == {"noop": 0.0125, "foo": 3000.0}


def test_a_duration_that_cannot_be_one_is_ignored(redis: Redis) -> None:
    put_durations(redis, {"noop": 0.5})
    garbage: Any = {b"a": b"x", b"b": b"nan", b"c": b"inf", b"d": b"-1", b"e": b"\xff", b"\xff": b"1e999"}
    redis.hset("punctual:durations", mapping=garbage)
    assert get_durations(redis) == {"noop": 0.5}


def test_keys_of_a_wrong_type_are_removed_and_all_others_left(redis: Redis, harm: Redis) -> None:
    harm.set("punctual:schedule:noop", "x")
    harm.hset("rq:queue:default", "x", "y")
    harm.lpush("punctual:generation", "x")
    harm.set("somebody:else", "x")
    put_durations(redis, {"noop": 0.5})
    redis.rpush("rq:queue:other", "x")
    wrong = mend(redis, types=["noop", "foo"], queues=["default", "other"])
    assert sorted(wrong) == ["punctual:generation", "punctual:schedule:noop", "rq:queue:default"]
    assert sorted(harm.keys()) == [b"punctual:durations", b"rq:queue:other", b"somebody:else"]
    assert mend(redis, types=["noop"], queues=["default"]) == []
