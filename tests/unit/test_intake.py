"""What is delivered waits for its instant and for a slot; types take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workers.slots.pace import Pace
from workers.slots.room import Room
from workers.worker.intake import ENOUGH, LONGEST_AHEAD_S, Intake

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


@pytest.fixture
def room() -> Room:
    return Room(SLOTS)


@pytest.fixture
def intake(clock: Clock, room: Room) -> Intake:
    pace = Pace()
    pace.means_ms |= {"slow": SLOW_MS, "fast": FAST_MS, "quick": FAST_MS}
    return Intake(room, pace, clock=clock)


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


def test_slow_tasks_leave_a_slot_to_fast_ones_while_there_are_some(intake: Intake, room: Room, clock: Clock) -> None:
    intake.put("fast", ["f"])
    assert intake.take(0) == ("fast", ["f"])
    intake.put("slow", [str(number) for number in range(20)])
    (_, begun) = intake.take(0) or ("", [])
    assert len(begun) == SLOTS - 1
    room.take(SLOTS - 1)
    assert intake.take(0) is None
    intake.put("fast", ["g"])
    assert intake.take(0) == ("fast", ["g"])
    clock.at += 61
    assert intake.take(0) == ("slow", ["7"])


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


def test_what_waited_for_too_long_is_given_away(intake: Intake, clock: Clock) -> None:
    intake.put("slow", ["old"])
    clock.at += 1
    intake.put("slow", ["young"])
    intake.put("fast", ["new"])
    assert intake.take_older(1) == [("slow", ["old"])]
    assert sorted(intake.take_older(0)) == [("fast", ["new"]), ("slow", ["young"])]
    assert intake.take(0) is None
