"""Ids that were delivered here and are not claimed yet: each waits for its instant, and for a free slot."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from workers.slots.pace import Pace
    from workers.slots.room import Room

ENOUGH = 250  # due ids that wait here; with more, envelopes stay on RQ's queue, for other workers
MOST_AT_ONCE = 1000
LONGEST_AHEAD_S = 0.25
NOT_YET_S = 0.01
PATIENCE_S = 2.0  # an id waits here for a slot for so long; then it goes back on the schedule, for other workers
SHORT_PATIENCE_S = 0.25  # where what is free is kept from it
ONE_OF = 16  # so many slots is kept from slow types ...
LATELY_S = 60.0  # ... while a fast one has come for so long


class Places(Protocol):
    """What the intake wants to know of the slots."""

    room: Room
    pace: Pace

    def taken_by_slow(self) -> int:
        """How many slots tasks of slow types have."""


@dataclass(frozen=True, slots=True)
class Held:
    """When an id may be claimed, and when it came; seconds since 1970, by Postgres' clock."""

    at: float
    came_at: float


class Intake:
    """RQ's thread puts ids in, the claimer takes them out. Types take turns, so that none hides another.

    It shares its condition with the room of the slots: whoever waits here wakes when a slot becomes free, too.
    """

    def __init__(self, places: Places, *, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._places = places
        self._room, self._pace = places.room, places.pace
        self._changed: threading.Condition = places.room.changed
        self._held: dict[str, dict[str, Held]] = {}
        self._fast_came_at = float("-inf")
        self.is_short = False  # whether the slots did not suffice for what was taken last

    def put(self, task_type: str, ids: Sequence[str], ahead: Sequence[tuple[str, float]] = ()) -> None:
        """Hold ids that are due, and others with the instants at which they will be, but none of them for long.

        Whoever delivered them may have a clock that is wrong: the claim decides.
        """
        now = self.clock()
        coming = dict.fromkeys(ids, Held(now, now))
        self._hold(task_type, coming | {each: Held(min(at, now + LONGEST_AHEAD_S), now) for each, at in ahead})

    def put_again(self, task_type: str, ahead: Sequence[tuple[str, float]]) -> None:
        """Hold what the claim said is not due yet: until then, or a moment if our clock thinks that it is."""
        now = self.clock()
        soonest, latest = now + NOT_YET_S, now + LONGEST_AHEAD_S
        self._hold(task_type, {each: Held(min(max(at, soonest), latest), now) for each, at in ahead})

    def has_room(self, timeout_s: float) -> bool:
        """Whether more should come, as soon as it should or after `timeout_s`: a slot is free, and few ids wait.

        What a worker holds when it is killed or frozen is late: it is delivered again after a while.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._room.free > 0 and not self._has_enough(), timeout_s)

    def take(self, timeout_s: float) -> tuple[str, list[str]] | None:
        """Ids of one type that are due and that free slots can begin soon; None when there are none in time."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while not (taken := self._take_now()) and (left_s := until - time.monotonic()) > 0:
                self._changed.wait(min(left_s, self._next_s()))
            return taken

    def take_impatient(self) -> tuple[str, list[str]] | None:
        """Ids of one type that waited for too long, for other workers; None when there are none."""
        now = self.clock()
        with self._changed:
            for task_type, held in self._held.items():
                is_kept_out = self._room.free > 0 and self._pace.is_slow(task_type)
                until = now - (SHORT_PATIENCE_S if is_kept_out else PATIENCE_S)
                if old := [each for each, when in held.items() if when.came_at <= until and when.at <= now]:
                    return task_type, self._remove(task_type, old)
        return None

    def take_any(self) -> tuple[str, list[str]] | None:
        """All ids of one type; None when nothing is left."""
        with self._changed:
            for task_type, held in self._held.items():
                return task_type, self._remove(task_type, list(held))
        return None

    def _hold(self, task_type: str, coming: dict[str, Held]) -> None:
        if not coming:
            return
        with self._changed:
            self._held[task_type] = self._held.get(task_type, {}) | coming
            if not self._pace.is_slow(task_type):
                self._fast_came_at = self.clock()
            self._changed.notify_all()

    def _take_now(self) -> tuple[str, list[str]] | None:
        now = self.clock()
        for task_type, held in self._held.items():
            fitting = min(MOST_AT_ONCE, self._pace.capacity(task_type, self._free_for(task_type, now)))
            due = list(islice((each for each, when in held.items() if when.at <= now), max(0, fitting)))
            if due:
                self.is_short = len(due) == fitting < len(held)
                return task_type, self._remove(task_type, due)
        self.is_short = False
        return None

    def _free_for(self, task_type: str, now: float) -> int:
        """How many slots it may take now. While fast types come, slow ones together do not take the last slots."""
        free, count = self._room.free, self._room.count
        kept = ceil(count / ONE_OF)
        if count <= 2 * kept or now - self._fast_came_at >= LATELY_S or not self._pace.is_slow(task_type):
            return free
        return min(free, count - kept - self._places.taken_by_slow())

    def _remove(self, task_type: str, ids: list[str]) -> list[str]:
        """Their type goes to the end of the line."""
        rest = self._held.pop(task_type)
        for each in ids:
            del rest[each]
        if rest:
            self._held[task_type] = rest
        self._changed.notify_all()
        return ids

    def _next_s(self) -> float:
        """In how long the next of those held is due that is not yet."""
        now = self.clock()
        ahead = (when.at - now for held in self._held.values() for when in held.values() if when.at > now)
        return min(ahead, default=float("inf"))

    def _has_enough(self) -> bool:
        """Whether many are due; asked at every change, so it counts no further than it must."""
        now = self.clock()
        due = (True for held in self._held.values() for when in held.values() if when.at <= now)
        return next(islice(due, ENOUGH - 1, None), False)
