"""Ids that were delivered here and are not claimed yet: each waits for its instant, and for a free slot."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from workers.slots.pace import Pace
    from workers.slots.room import Room

ENOUGH = 250  # due ids that wait here; with more, envelopes stay on RQ's queue, for other workers
MOST_AT_ONCE = 1000
LONGEST_AHEAD_S = 0.25
ONE_OF = 16  # so many slots is kept from slow types ...
LATELY_S = 60.0  # ... while a fast one has come for so long


@dataclass(frozen=True, slots=True)
class Held:
    """When an id may be claimed, and when it came; seconds since 1970, by Postgres' clock."""

    at: float
    came_at: float


class Intake:
    """RQ's thread puts ids in, the claimer takes them out. Types take turns, so that none hides another.

    It shares its condition with the room of the slots: whoever waits here wakes when a slot becomes free, too.
    """

    def __init__(self, room: Room, pace: Pace, *, clock: Callable[[], float]) -> None:
        self._room = room
        self._pace = pace
        self.clock = clock
        self._changed: threading.Condition = room.changed
        self._held: defaultdict[str, dict[str, Held]] = defaultdict(dict)
        self._fast_came_at = float("-inf")

    def put(self, task_type: str, ids: Iterable[str], ahead: Iterable[tuple[str, float]] = ()) -> None:
        """Hold ids that are due, and others with the instants at which they will be, but none of them for long.

        Whoever delivered them may have a clock that is wrong: the claim decides.
        """
        now = self.clock()
        with self._changed:
            held = self._held[task_type]
            held |= {each: Held(now, now) for each in ids}
            held |= {each: Held(min(at, now + LONGEST_AHEAD_S), now) for each, at in ahead}
            if not self._pace.is_slow(task_type):
                self._fast_came_at = now
            self._changed.notify_all()

    def has_room(self, timeout_s: float) -> bool:
        """Whether more should come, as soon as it should or after `timeout_s`: a slot is free, and few ids wait.

        What a worker holds when it is killed or frozen is late: it is delivered again after a while.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._room.free > 0 and self._waiting() < ENOUGH, timeout_s)

    def take(self, timeout_s: float) -> tuple[str, list[str]] | None:
        """Ids of one type that are due and that free slots can begin soon; None when there are none in time."""
        until = self.clock() + timeout_s
        with self._changed:
            while not (taken := self._take_now()) and (left_s := until - self.clock()) > 0:
                self._changed.wait(min(left_s, self._next_s()))
            return taken

    def take_older(self, than_s: float) -> list[tuple[str, list[str]]]:
        """All that came so long ago, by type."""
        until = self.clock() - than_s
        with self._changed:
            types = list(self._held)
            old = ((each, [it for it, when in self._held[each].items() if when.came_at <= until]) for each in types)
            return [(task_type, self._remove(task_type, ids)) for task_type, ids in old if ids]

    def _take_now(self) -> tuple[str, list[str]] | None:
        now = self.clock()
        for task_type, held in self._held.items():
            fitting = min(MOST_AT_ONCE, self._pace.capacity(task_type, self._free_for(task_type, now)))
            due = list(islice((each for each, when in held.items() if when.at <= now), fitting))
            if due:
                return task_type, self._remove(task_type, due)
        return None

    def _free_for(self, task_type: str, now: float) -> int:
        """How many slots it may take now: slow types leave some to the fast ones, which soon give them back."""
        fast_ones_come = now - self._fast_came_at < LATELY_S
        kept = ceil(self._room.count / ONE_OF) if fast_ones_come and self._pace.is_slow(task_type) else 0
        return self._room.free - kept if self._room.count > 2 * kept else self._room.free

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

    def _waiting(self) -> int:
        """How many are due."""
        now = self.clock()
        return sum(when.at <= now for held in self._held.values() for when in held.values())
