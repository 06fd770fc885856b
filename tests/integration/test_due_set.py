"""The due set in a real Valkey: due ids are taken once, in order, and only as many as can run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.broker.due_set import BEGIN_AHEAD_S, LOOK_AHEAD_S, Promotion, Route, score
from app.broker.keys import WAKE_CHANNEL, delivered_key, due_key
from tests.integration.due_tasks import NOOP, NOW, due, id_of, promote

if TYPE_CHECKING:
    from redis import Redis

    from app.broker.due_set import DueSet


def test_due_ids_are_taken_in_order_and_others_stay(due_set: DueSet) -> None:
    due_set.add([due("c", 1), due("b", -1), due("a", -2)])
    assert promote(due_set) == ({"noop": ["a", "b"]}, NOW.timestamp() + 1)
    assert promote(due_set) == ({"noop": []}, NOW.timestamp() + 1)


def test_ids_due_in_milliseconds_are_taken_along_with_their_instants(due_set: DueSet) -> None:
    due_set.add([due("a", BEGIN_AHEAD_S), due("b", LOOK_AHEAD_S), due("c", LOOK_AHEAD_S + 0.01)])
    assert due_set.promote([NOOP], now=NOW.timestamp() - 0.01).taken[0].ahead == []
    promotion = due_set.promote([NOOP], now=NOW.timestamp() + 0.001)
    assert (promotion.taken[0].ids, promotion.taken[0].left) == ([], 0)
    assert promotion.taken[0].ahead == [
        (id_of("a"), NOW.timestamp() + BEGIN_AHEAD_S), (id_of("b"), NOW.timestamp() + LOOK_AHEAD_S),
    ]  # fmt: skip
    assert promotion.next_at == NOW.timestamp() + LOOK_AHEAD_S + 0.01
    assert due_set.sizes(["noop"]) == (1, 2)


def test_an_instant_is_kept_to_the_microsecond(due_set: DueSet) -> None:
    due_set.add([due("a", 0.000002)])
    assert promote(due_set)[0] == {"noop": []}
    assert score(NOW + timedelta(microseconds=1)) == NOW.timestamp() + 0.000001


def test_types_are_promoted_independently(due_set: DueSet) -> None:
    due_set.add([due("a", -2), due("b", -1, "foo")])
    assert promote(due_set, NOOP, Route("foo", "default", 1))[0] == {"noop": ["a"], "foo": ["b"]}


def test_the_deliveries_of_one_type_are_limited_and_do_not_limit_others(due_set: DueSet) -> None:
    due_set.add([due(f"{n:03}", -1) for n in range(50)])
    first = due_set.promote([NOOP], now=NOW.timestamp()).taken[0]
    assert (len(first.ids), first.left) == (30, 20)
    due_set.add([due("a", -1, "foo")])
    again, other = due_set.promote([NOOP, Route("foo", "default", 1)], now=NOW.timestamp()).taken
    assert (again.ids, again.left, len(other.ids)) == ([], 20, 1)
    due_set.remove("noop", first.ids[:5])
    assert len(due_set.promote([NOOP], now=NOW.timestamp()).taken[0].ids) == 5


def test_while_deliveries_wait_only_full_ones_follow(due_set: DueSet, redis: Redis) -> None:
    due_set.add([due(f"{n:03}", -1) for n in range(50)])
    first = due_set.promote([NOOP], now=NOW.timestamp()).taken[0]
    redis.rpush("rq:queue:default", "delivery")
    due_set.remove("noop", first.ids[:9])
    less_than_a_delivery = due_set.promote([NOOP], now=NOW.timestamp()).taken[0]
    assert (less_than_a_delivery.ids, less_than_a_delivery.left) == ([], 20)
    due_set.remove("noop", first.ids[:10])
    assert len(due_set.promote([NOOP], now=NOW.timestamp()).taken[0].ids) == 10


def test_a_full_queue_leaves_ids_in_the_due_set(due_set: DueSet, redis: Redis) -> None:
    due_set.add([due("a", -1)])
    redis.rpush("rq:queue:default", *["delivery"] * 8)
    taken = due_set.promote([NOOP], now=NOW.timestamp()).taken
    assert (taken[0].ids, taken[0].left) == ([], 1)


def test_two_promotions_never_take_the_same_id(due_set: DueSet) -> None:
    due_set.add([due(f"{n}", -1) for n in range(5000)])
    taken: list[str] = []
    while page := due_set.promote([Route("noop", "default", 500)], now=NOW.timestamp()).taken[0].ids:
        taken += page
        due_set.remove("noop", page)
    assert len(taken) == len(set(taken)) == 5000


def test_removed_ids_leave_the_due_set_and_the_deliveries(due_set: DueSet, redis: Redis) -> None:
    due_set.add([due("a", -1), due("b", 5)])
    promote(due_set)
    due_set.remove("noop", [id_of("a"), id_of("b"), id_of("unknown")])
    assert not redis.exists(due_key("noop"), delivered_key("noop"))


def test_only_a_new_head_wakes_the_promoters(due_set: DueSet, redis: Redis) -> None:
    listener = redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe(WAKE_CHANNEL)
    listener.get_message(timeout=1)
    due_set.add([due("a", 10)])
    assert listener.get_message(timeout=1)
    due_set.add([due("b", 11)])
    assert listener.get_message(timeout=0.05) is None
    due_set.add([due("c", 9)])
    assert listener.get_message(timeout=1)
    listener.close()


def test_adding_again_moves_an_id(due_set: DueSet) -> None:
    due_set.add([due("a", 10)])
    due_set.add([due("a", -1)])
    assert promote(due_set)[0] == {"noop": ["a"]}


def test_more_ids_than_one_call_takes_are_added(due_set: DueSet) -> None:
    due_set.add([due(f"{n}", 5) for n in range(12_345)])
    assert due_set.sizes(["noop"]) == (12_345, 0)


def test_empty_arguments_change_nothing(due_set: DueSet) -> None:
    due_set.add([])
    assert due_set.promote([], now=0) == Promotion([])
    assert due_set.take_back([], now=0) == 0
    assert due_set.unknown([], now=NOW) == []
