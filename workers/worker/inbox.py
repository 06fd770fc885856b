"""The inbox: delivered ids that are not claimed yet. Each waits until it is due and a slot is free."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.clock import PostgresClock
    from workers.pool.pool import Pool

MAX_DUE = 250  # due ids in the inbox; with more, deliveries stay on RQ's queue, for other workers
MAX_BATCH = 1000
MAX_AHEAD_S = 0.25
MIN_AHEAD_S = 0.01
MAX_WAIT_S = 2.0  # how long an id waits for a slot before it is returned to the due set, for other workers
MAX_RESERVED_WAIT_S = 0.25  # the same for a slow type while the free slots are reserved for fast types
SLOTS_PER_RESERVED = 16  # one slot in 16 is reserved for fast types
RESERVE_FOR_S = 60.0  # after the last id of a fast type


@dataclass(frozen=True, slots=True)
class Delivered:
    """When an id may be claimed, and when it was received; seconds since 1970, by Postgres' clock."""

    due_at: float
    received_at: float


class Inbox:
    """The receiver puts ids in, the claimer takes them out. Types take turns, so that none starves another.

    The inbox and the free slots of the pool share a condition, so that a waiting thread wakes for both.
    """

    def __init__(self, pool: Pool, *, clock: PostgresClock) -> None:
        self._clock = clock
        self._pool = pool
        self._free, self._durations = pool.free_slots, pool.durations
        self._changed = pool.free_slots.changed
        self._delivered: dict[str, dict[str, Delivered]] = {}
        self._fast_received_at = float("-inf")
        self.slots_are_scarce = False  # whether the last batch was limited by the free slots

    def put(
        self, task_type: str, ids: Sequence[str], ahead: Sequence[tuple[str, float]] = (), *, min_ahead_s: float = 0.0
    ) -> None:
        """Add due ids, and ids `ahead` with the instants at which they will be due, in `min_ahead_s` at the earliest.

        The instants are limited to MAX_AHEAD_S from now, because the clock of the promoter may be wrong. The claim
        decides.
        """
        now = self._clock.now()
        soonest, latest = now + min_ahead_s, now + MAX_AHEAD_S
        new = dict.fromkeys(ids, Delivered(now, now))
        new |= {each: Delivered(min(max(at, soonest), latest), now) for each, at in ahead}
        if not new:
            return
        with self._changed:
            self._delivered[task_type] = self._delivered.get(task_type, {}) | new
            if not self._durations.is_slow(task_type):
                self._fast_received_at = now
            self._changed.notify_all()

    def has_room(self, timeout_s: float) -> bool:
        """Wait at most `timeout_s` until a slot is free and few ids are due; return whether that is so.

        Few may be due, because the ids of a killed or frozen worker are delivered again only after some seconds.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._free.count > 0 and not self._has_enough(), timeout_s)

    def take(self, timeout_s: float) -> tuple[str, list[str]] | None:
        """Take due ids of one type, as many as free slots can begin soon; None after the timeout."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while not (taken := self._take_now()) and (left_s := until - time.monotonic()) > 0:
                now = self._clock.now()
                all_due_at = (when.due_at for delivered in self._delivered.values() for when in delivered.values())
                next_s = min((due_at - now for due_at in all_due_at if due_at > now), default=left_s)
                self._changed.wait(min(left_s, next_s))
            return taken

    def take_stale(self) -> tuple[str, list[str]] | None:
        """Take ids of one type that have waited too long for a slot; None if there are none."""
        now = self._clock.now()
        with self._changed:
            for task_type, delivered in self._delivered.items():
                is_reserved = self._free.count > 0 and self._durations.is_slow(task_type)
                until = now - (MAX_RESERVED_WAIT_S if is_reserved else MAX_WAIT_S)
                stale = [each for each, when in delivered.items() if when.received_at <= until and when.due_at <= now]
                if stale:
                    return task_type, self._remove(task_type, stale)
        return None

    def take_any(self) -> tuple[str, list[str]] | None:
        """Take all ids of one type; None if nothing is left."""
        with self._changed:
            for task_type, delivered in self._delivered.items():
                return task_type, self._remove(task_type, list(delivered))
        return None

    def _take_now(self) -> tuple[str, list[str]] | None:
        now = self._clock.now()
        for task_type, delivered in self._delivered.items():
            capacity = min(MAX_BATCH, self._durations.capacity(task_type, self._free_for(task_type, now)))
            due = list(islice((each for each, when in delivered.items() if when.due_at <= now), max(0, capacity)))
            if due:
                self.slots_are_scarce = len(due) == capacity < len(delivered)
                return task_type, self._remove(task_type, due)
        self.slots_are_scarce = False
        return None

    def _free_for(self, task_type: str, now: float) -> int:
        """Return how many slots a type may take now: while fast types arrive, slow ones may not take the last slots."""
        free, total = self._free.count, self._free.total
        reserved = ceil(total / SLOTS_PER_RESERVED)
        is_reserving = total > 2 * reserved and now - self._fast_received_at < RESERVE_FOR_S
        if not (is_reserving and self._durations.is_slow(task_type)):
            return free
        return min(free, total - reserved - self._pool.slots_of_slow_types())

    def _remove(self, task_type: str, ids: list[str]) -> list[str]:
        """Remove the ids, and rotate their type to the back (round-robin)."""
        rest = self._delivered.pop(task_type)
        for each in ids:
            del rest[each]
        if rest:
            self._delivered[task_type] = rest
        self._changed.notify_all()
        return ids

    def _has_enough(self) -> bool:
        """Return whether MAX_DUE ids are due. Called at every change, so it counts no further than that."""
        now = self._clock.now()
        due = (True for delivered in self._delivered.values() for when in delivered.values() if when.due_at <= now)
        return next(islice(due, MAX_DUE - 1, None), False)
