"""The inbox: delivered ids wait for their instants and for slots, and types take turns."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.patience import patience
from workers.pool.pool import DurationStats, FreeSlots
from workers.worker.inbox import MAX_AHEAD_S, MAX_DUE, MAX_RESERVED_WAIT_S, MAX_WAIT_S, MIN_AHEAD_S, Inbox

SLOTS = 8
SLOW_MS, FAST_MS = 3000.0, 0.01


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Pool:
    """The part of the pool that the inbox uses."""

    def __init__(self, count: int) -> None:
        self.free_slots, self.durations, self.slow = FreeSlots(count), DurationStats(), 0
        self.durations.means_ms |= {"slow": SLOW_MS, "fast": FAST_MS, "quick": FAST_MS}

    def slots_of_slow_types(self) -> int:
        return self.slow

    def run(self, task_type: str, count: int) -> None:
        assert self.free_slots.take(count) == count
        self.slow += count * (task_type == "slow")


@pytest.fixture
def pool() -> Pool:
    return Pool(SLOTS)


@pytest.fixture
def free_slots(pool: Pool) -> FreeSlots:
    return pool.free_slots


@pytest.fixture
def inbox(clock: Clock, pool: Pool) -> Inbox:
    return Inbox(pool, clock=clock)  # type: ignore[arg-type]


def taken(inbox: Inbox) -> Iterator[tuple[str, int]]:
    while batch := inbox.take(0):
        yield batch[0], len(batch[1])


def test_due_ids_are_taken_once(inbox: Inbox) -> None:
    inbox.put("fast", ["a", "b"])
    inbox.put("fast", ["b", "c"])
    assert inbox.take(0) == ("fast", ["a", "b", "c"])
    assert inbox.take(0) is None


def test_an_id_ahead_waits_for_its_instant_but_only_a_limited_time(inbox: Inbox, clock: Clock) -> None:
    inbox.put("fast", [], [("soon", clock.at + 0.05), ("in an hour by a wrong clock", clock.at + 3600)])
    assert inbox.take(0) is None
    clock.at += 0.05
    assert inbox.take(0) == ("fast", ["soon"])
    clock.at += MAX_AHEAD_S
    assert inbox.take(0) == ("fast", ["in an hour by a wrong clock"])


def test_types_take_turns(inbox: Inbox) -> None:
    inbox.put("fast", [f"f{number}" for number in range(2500)])
    inbox.put("quick", ["q"])
    inbox.put("new", ["n"])
    assert list(taken(inbox)) == [("fast", 1000), ("quick", 1), ("new", 1), ("fast", 1000), ("fast", 500)]


def test_slow_tasks_wait_for_free_slots(inbox: Inbox, free_slots: FreeSlots) -> None:
    inbox.put("slow", [str(number) for number in range(20)])
    assert inbox.take(0) == ("slow", [str(number) for number in range(SLOTS)])
    free_slots.take(SLOTS - 3)
    assert inbox.take(0) == ("slow", ["8", "9", "10"])
    free_slots.take(3)
    assert inbox.take(0) is None


def test_slow_tasks_leave_a_slot_to_fast_ones_while_fast_ones_arrive(inbox: Inbox, pool: Pool, clock: Clock) -> None:
    inbox.put("fast", ["f"])
    assert inbox.take(0) == ("fast", ["f"])
    inbox.put("slow", [str(number) for number in range(20)])
    (_, begun) = inbox.take(0) or ("", [])
    assert len(begun) == SLOTS - 1
    pool.run("slow", SLOTS - 1)
    assert inbox.take(0) is None
    inbox.put("fast", ["g"])
    assert inbox.take(0) == ("fast", ["g"])
    clock.at += 61
    assert inbox.take(0) == ("slow", ["7"])


def test_fast_tasks_do_not_keep_slow_ones_from_their_share_of_the_slots(inbox: Inbox, pool: Pool) -> None:
    """The slow tasks get their share even if fast tasks hold all other slots all the time."""
    inbox.put("fast", ["f"])
    assert inbox.take(0)
    pool.run("fast", SLOTS - 1)
    inbox.put("slow", ["a", "b"])
    assert inbox.take(0) == ("slow", ["a"])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 16, 17, 64])
def test_a_pool_full_of_slow_tasks_continues_with_the_first_free_slot(clock: Clock, count: int) -> None:
    pool = Pool(count)
    inbox = Inbox(pool, clock=clock)  # type: ignore[arg-type]
    inbox.put("fast", ["f"])
    inbox.put("slow", ["s"])
    pool.run("slow", count)
    assert inbox.take(0) is None
    pool.free_slots.give_back(1)
    assert inbox.take(0) == ("fast", ["f"])


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_slots_are_not_reserved(clock: Clock, count: int) -> None:
    pool = Pool(count)
    inbox = Inbox(pool, clock=clock)  # type: ignore[arg-type]
    inbox.put("fast", ["f"])
    assert inbox.take(0)
    inbox.put("slow", ["a", "b", "c"])
    assert len((inbox.take(0) or ("", []))[1]) == count


def test_the_inbox_has_room_while_a_slot_is_free_and_few_ids_wait(
    inbox: Inbox, free_slots: FreeSlots, clock: Clock
) -> None:
    assert inbox.has_room(0)
    inbox.put("fast", [], [(f"a{number}", clock.at + 0.1) for number in range(MAX_DUE)])
    assert inbox.has_room(0)
    inbox.put("fast", [f"d{number}" for number in range(MAX_DUE)])
    assert not inbox.has_room(0)
    inbox.take(0)
    assert inbox.has_room(0)
    free_slots.take(SLOTS)
    assert not inbox.has_room(0)


def test_ids_that_waited_too_long_are_handed_back(inbox: Inbox, pool: Pool, clock: Clock) -> None:
    pool.run("slow", SLOTS)
    inbox.put("slow", ["old"])
    clock.at += MAX_WAIT_S / 2
    inbox.put("slow", ["young"])
    inbox.put("fast", ["new"])
    assert inbox.take_stale() is None
    clock.at += MAX_WAIT_S / 2
    assert inbox.take_stale() == ("slow", ["old"])
    assert inbox.take_stale() is None
    assert sorted(filter(None, (inbox.take_any(), inbox.take_any(), inbox.take_any()))) == [
        ("fast", ["new"]), ("slow", ["young"]),
    ]  # fmt: skip


def test_ids_kept_waiting_by_a_reserved_slot_are_handed_back_soon(inbox: Inbox, pool: Pool, clock: Clock) -> None:
    inbox.put("fast", ["f"])
    assert inbox.take(0)
    pool.run("slow", SLOTS - 1)
    inbox.put("slow", ["s"])
    assert inbox.take(0) is None
    clock.at += MAX_RESERVED_WAIT_S
    assert inbox.take_stale() == ("slow", ["s"])


def test_an_id_that_postgres_finds_early_is_tried_again_after_a_pause(inbox: Inbox, clock: Clock) -> None:
    """The local clock is ahead of Postgres' clock."""
    inbox.put("fast", [], [("a", clock.at - 1)], min_ahead_s=MIN_AHEAD_S)
    assert inbox.take(0) is None
    clock.at += MIN_AHEAD_S
    assert inbox.take(0) == ("fast", ["a"])


def test_a_clock_that_is_set_back_does_not_hold_up_the_claimer(inbox: Inbox, clock: Clock) -> None:
    inbox.put("fast", [], [("a", clock.at + 0.1)])
    clock.at -= 3600
    began = time.monotonic()
    assert inbox.take(0.05) is None
    assert time.monotonic() - began < patience(5)


def test_an_empty_delivery_leaves_nothing_in_memory(inbox: Inbox) -> None:
    for number in range(100):
        inbox.put(f"forged-{number}", [])
        inbox.put(f"forged-{number}", [], [], min_ahead_s=MIN_AHEAD_S)
    assert inbox._delivered == {}
