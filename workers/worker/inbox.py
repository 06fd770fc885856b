"""Task ids that were delivered and are not claimed yet: each waits for its instant, and for a free slot."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.clock import PostgresClock
    from workers.pool.pool import Pool

MAX_DUE = 250  # due ids that wait here; with more, deliveries stay on RQ's queue, for other workers
MAX_BATCH = 1000
MAX_AHEAD_S = 0.25
MIN_AHEAD_S = 0.01
MAX_WAIT_S = 2.0  # an id waits here for a slot for so long; then it goes back to the due set, for other workers
MAX_RESERVED_WAIT_S = 0.25  # for an id of a slow type while the free slots are reserved for fast ones
SLOTS_PER_RESERVED = 16  # one of so many slots is reserved for fast types ...
RESERVE_FOR_S = 60.0  # ... while an id of a fast type has come within this time


@dataclass(frozen=True, slots=True)
class Delivered:
    """When an id may be claimed, and when it was received; seconds since 1970, by Postgres' clock."""

    due_at: float
    received_at: float


class Inbox:
    """The receiver puts ids in and the claimer takes them out. Types take turns, so that none hides another.

    It shares its condition with the free slots of the pool, so that a thread waiting here wakes for both.
    """

    def __init__(self, pool: Pool, *, clock: PostgresClock) -> None:
        self._clock = clock
        self._pool = pool
        self._free, self._durations = pool.free_slots, pool.durations
        self._changed = pool.free_slots.changed
        self._delivered: dict[str, dict[str, Delivered]] = {}
        self._fast_received_at = float("-inf")
        self.slots_are_scarce = False  # whether the free slots did not suffice for the batch that was taken last

    def put(self, task_type: str, ids: Sequence[str], ahead: Sequence[tuple[str, float]] = ()) -> None:
        """Keep ids that are due, and others with the instants at which they will be, but none of them for long.

        The clock of the process that delivered them may be wrong; the claim decides.
        """
        now = self._clock.now()
        new = dict.fromkeys(ids, Delivered(now, now))
        self._add(task_type, new | {each: Delivered(min(at, now + MAX_AHEAD_S), now) for each, at in ahead})

    def put_again(self, task_type: str, ahead: Sequence[tuple[str, float]]) -> None:
        """Keep ids that the claim found not due yet, until they are; a moment if they are by this worker's clock."""
        now = self._clock.now()
        soonest, latest = now + MIN_AHEAD_S, now + MAX_AHEAD_S
        self._add(task_type, {each: Delivered(min(max(at, soonest), latest), now) for each, at in ahead})

    def has_room(self, timeout_s: float) -> bool:
        """Wait until a slot is free and few ids wait, at most for `timeout_s`; return whether that is so.

        What a worker holds when it is killed or frozen is late, because it is delivered again only after a while.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._free.count > 0 and not self._has_enough(), timeout_s)

    def take(self, timeout_s: float) -> tuple[str, list[str]] | None:
        """Take ids of one type that are due and that free slots can begin soon; None if there are none in time."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while not (taken := self._take_now()) and (left_s := until - time.monotonic()) > 0:
                self._changed.wait(min(left_s, self._next_s()))
            return taken

    def take_stale(self) -> tuple[str, list[str]] | None:
        """Take ids of one type that waited for a slot for too long; None if there are none."""
        now = self._clock.now()
        with self._changed:
            for task_type, delivered in self._delivered.items():
                is_reserved = self._free.count > 0 and self._durations.is_slow(task_type)
                until = now - (MAX_RESERVED_WAIT_S if is_reserved else MAX_WAIT_S)
                old = [each for each, when in delivered.items() if when.received_at <= until and when.due_at <= now]
                if old:
                    return task_type, self._remove(task_type, old)
        return None

    def take_any(self) -> tuple[str, list[str]] | None:
        """Take all ids of one type; None if nothing is left."""
        with self._changed:
            for task_type, delivered in self._delivered.items():
                return task_type, self._remove(task_type, list(delivered))
        return None

    def _add(self, task_type: str, new: dict[str, Delivered]) -> None:
        if not new:
            return
        with self._changed:
            self._delivered[task_type] = self._delivered.get(task_type, {}) | new
            if not self._durations.is_slow(task_type):
                self._fast_received_at = self._clock.now()
            self._changed.notify_all()

    def _take_now(self) -> tuple[str, list[str]] | None:
        now = self._clock.now()
        for task_type, delivered in self._delivered.items():
            fitting = min(MAX_BATCH, self._durations.capacity(task_type, self._free_for(task_type, now)))
            due = list(islice((each for each, when in delivered.items() if when.due_at <= now), max(0, fitting)))
            if due:
                self.slots_are_scarce = len(due) == fitting < len(delivered)
                return task_type, self._remove(task_type, due)
        self.slots_are_scarce = False
        return None

    def _free_for(self, task_type: str, now: float) -> int:
        """Return how many slots a type may take now. While fast types come, slow ones leave the last slots free."""
        free, total = self._free.count, self._free.total
        reserved = ceil(total / SLOTS_PER_RESERVED)
        if total <= 2 * reserved or now - self._fast_received_at >= RESERVE_FOR_S or not self._durations.is_slow(task_type):
            return free
        return min(free, total - reserved - self._pool.slots_of_slow_types())

    def _remove(self, task_type: str, ids: list[str]) -> list[str]:
        """Remove the ids, and rotate their type to the end."""
        rest = self._delivered.pop(task_type)
        for each in ids:
            del rest[each]
        if rest:
            self._delivered[task_type] = rest
        self._changed.notify_all()
        return ids

    def _next_s(self) -> float:
        """Return in how many seconds the next id is due that is not due yet."""
        now = self._clock.now()
        all_due_at = (when.due_at for delivered in self._delivered.values() for when in delivered.values())
        return min((due_at - now for due_at in all_due_at if due_at > now), default=float("inf"))

    def _has_enough(self) -> bool:
        """Return whether many ids are due. It is called at every change, so it counts no further than it must."""
        now = self._clock.now()
        due = (True for delivered in self._delivered.values() for when in delivered.values() if when.due_at <= now)
        return next(islice(due, MAX_DUE - 1, None), False)
