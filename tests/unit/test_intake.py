"""What is delivered waits for its instant and for a slot; types take turns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from workers.slots.pace import Pace
from workers.slots.room import Room
from workers.worker.intake import ENOUGH, LONGEST_AHEAD_S, NOT_YET_S, PATIENCE_S, SHORT_PATIENCE_S, Intake

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOTS = 8
SLOW_MS, FAST_MS = 3000.0, 0.01


class Clock:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Slots:
    """What the intake knows of them."""

    def __init__(self, count: int) -> None:
        self.room, self.pace, self.slow = Room(count), Pace(), 0
        self.pace.means_ms |= {"slow": SLOW_MS, "fast": FAST_MS, "quick": FAST_MS}

    def taken_by_slow(self) -> int:
        """So many as the test says."""
        return self.slow

    def give(self, task_type: str, count: int) -> None:
        """Tasks have begun."""
        assert self.room.take(count) == count
        self.slow += count * (task_type == "slow")


@pytest.fixture
def slots() -> Slots:
    return Slots(SLOTS)


@pytest.fixture
def room(slots: Slots) -> Room:
    return slots.room


@pytest.fixture
def intake(clock: Clock, slots: Slots) -> Intake:
    return Intake(slots, clock=clock)


def taken(intake: Intake) -> Iterator[tuple[str, int]]:
    while batch := intake.take(0):
        yield batch[0], len(batch[1])


def test_what_is_due_is_taken_once(intake: Intake) -> None:
    intake.put("fast", ["a", "b"])
    intake.put("fast", ["b", "c"])
    assert intake.take(0) == ("fast", ["a", "b", "c"])
    assert intake.take(0) is None


def test_what_is_ahead_waits_for_its_instant_and_no_longer_than_a_moment(intake: Intake, clock: Clock) -> None:
    intake.put("fast", [], [("soon", clock.at + 0.05), ("in an hour, says a wrong clock", clock.at + 3600)])
    assert intake.take(0) is None
    clock.at += 0.05
    assert intake.take(0) == ("fast", ["soon"])
    clock.at += LONGEST_AHEAD_S
    assert intake.take(0) == ("fast", ["in an hour, says a wrong clock"])


def test_types_take_turns(intake: Intake) -> None:
    intake.put("fast", [f"f{number}" for number in range(2500)])
    intake.put("quick", ["q"])
    intake.put("new", ["n"])
    assert list(taken(intake)) == [("fast", 1000), ("quick", 1), ("new", 1), ("fast", 1000), ("fast", 500)]


def test_slow_tasks_wait_for_free_slots(intake: Intake, room: Room) -> None:
    intake.put("slow", [str(number) for number in range(20)])
    assert intake.take(0) == ("slow", [str(number) for number in range(SLOTS)])
    room.take(SLOTS - 3)
    assert intake.take(0) == ("slow", ["8", "9", "10"])
    room.take(3)
    assert intake.take(0) is None


def test_slow_tasks_leave_a_slot_to_fast_ones_while_there_are_some(intake: Intake, slots: Slots, clock: Clock) -> None:
    intake.put("fast", ["f"])
    assert intake.take(0) == ("fast", ["f"])
    intake.put("slow", [str(number) for number in range(20)])
    (_, begun) = intake.take(0) or ("", [])
    assert len(begun) == SLOTS - 1
    slots.give("slow", SLOTS - 1)
    assert intake.take(0) is None
    intake.put("fast", ["g"])
    assert intake.take(0) == ("fast", ["g"])
    clock.at += 61
    assert intake.take(0) == ("slow", ["7"])


def test_fast_tasks_do_not_keep_slow_ones_from_the_slots_that_are_theirs(intake: Intake, slots: Slots) -> None:
    """Though they have all slots but one, again and again."""
    intake.put("fast", ["f"])
    assert intake.take(0)
    slots.give("fast", SLOTS - 1)
    intake.put("slow", ["a", "b"])
    assert intake.take(0) == ("slow", ["a"])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 16, 17, 64])
def test_full_slots_are_no_trouble(clock: Clock, count: int) -> None:
    slots = Slots(count)
    intake = Intake(slots, clock=clock)
    intake.put("fast", ["f"])
    intake.put("slow", ["s"])
    slots.give("slow", count)
    assert intake.take(0) is None
    slots.room.give_back(1)
    assert intake.take(0) == ("fast", ["f"])


@pytest.mark.parametrize("count", [1, 2])
def test_of_one_or_two_slots_none_is_kept(clock: Clock, count: int) -> None:
    slots = Slots(count)
    intake = Intake(slots, clock=clock)
    intake.put("fast", ["f"])
    assert intake.take(0)
    intake.put("slow", ["a", "b", "c"])
    assert len((intake.take(0) or ("", []))[1]) == count


def test_there_is_room_while_a_slot_is_free_and_few_wait(intake: Intake, room: Room, clock: Clock) -> None:
    assert intake.has_room(0)
    intake.put("fast", [], [(f"a{number}", clock.at + 0.1) for number in range(ENOUGH)])
    assert intake.has_room(0)
    intake.put("fast", [f"d{number}" for number in range(ENOUGH)])
    assert not intake.has_room(0)
    intake.take(0)
    assert intake.has_room(0)
    room.take(SLOTS)
    assert not intake.has_room(0)


def test_what_waited_for_too_long_is_given_away(intake: Intake, slots: Slots, clock: Clock) -> None:
    slots.give("slow", SLOTS)
    intake.put("slow", ["old"])
    clock.at += PATIENCE_S / 2
    intake.put("slow", ["young"])
    intake.put("fast", ["new"])
    assert intake.take_impatient() is None
    clock.at += PATIENCE_S / 2
    assert intake.take_impatient() == ("slow", ["old"])
    assert intake.take_impatient() is None
    assert sorted(filter(None, (intake.take_any(), intake.take_any(), intake.take_any()))) == [
        ("fast", ["new"]), ("slow", ["young"]),
    ]  # fmt: skip


def test_what_is_kept_out_by_what_is_kept_free_goes_soon(intake: Intake, slots: Slots, clock: Clock) -> None:
    intake.put("fast", ["f"])
    assert intake.take(0)
    slots.give("slow", SLOTS - 1)
    intake.put("slow", ["s"])
    assert intake.take(0) is None
    clock.at += SHORT_PATIENCE_S
    assert intake.take_impatient() == ("slow", ["s"])


def test_what_the_claim_calls_early_is_tried_again_in_a_moment_and_not_at_once(intake: Intake, clock: Clock) -> None:
    """Our clock is ahead of Postgres'."""
    intake.put_again("fast", [("a", clock.at - 1)])
    assert intake.take(0) is None
    clock.at += NOT_YET_S
    assert intake.take(0) == ("fast", ["a"])


def test_a_clock_that_is_set_back_does_not_hold_up_whoever_waits(intake: Intake, clock: Clock) -> None:
    intake.put("fast", [], [("a", clock.at + 0.1)])
    clock.at -= 3600
    began = time.monotonic()
    assert intake.take(0.05) is None
    assert time.monotonic() - began < 5


def test_nothing_leaves_no_trace(intake: Intake) -> None:
    for number in range(100):
        intake.put(f"forged-{number}", [])
        intake.put_again(f"forged-{number}", [])
    assert intake._held == {}
