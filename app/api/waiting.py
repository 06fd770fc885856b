"""Long polling: requests wait on the event loop for a change in Postgres, and are served in the order of arrival.

One thread queries Postgres for all of them together. A request occupies a thread only while its view runs.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from app.api.shapes import MAX_CLAIMS
from app.errors import TooManyWaiting
from app.ledger.claims import due_soon
from app.ledger.tasks import final_among
from app.loop import repeat

if TYPE_CHECKING:
    from sqlalchemy import Engine

MAX_HELD_S = 25.0  # routers of platforms end a request after 30 s, counted from its first byte
MAX_WAITING = 512  # half of the connections of a process (`MAX_CONNECTIONS` in `app.web_server`)
MAX_TURN_S = 1.0  # how long a claim without `wait_s` is queued behind those that wait
IDLE_S = 2.0
MIN_INTERVAL_S, MAX_INTERVAL_S = 0.02, 0.25
MIN_PAUSE_S = 0.002  # shortest pause, used if a task is due that soon
INTERVAL_BY_AGE = 0.25  # interval per age of the newest request, so that short tasks are detected quickly


@dataclass(slots=True)
class Found:
    """The result of a query: the number of due tasks by type that no request has taken yet, and the final tasks."""

    due: dict[str, int] = field(default_factory=dict)
    final: set[UUID] = field(default_factory=set)
    next_due_s: float | None = None


@dataclass(frozen=True, slots=True)
class TasksDue:
    """Condition: tasks of these types are due. The request takes up to `limit` of them."""

    types: tuple[str, ...]
    limit: int

    def take(self, found: Found) -> bool:
        """Take this request's share; return False if there is none."""
        left = self.limit
        for name in self.types:
            share = min(left, found.due.get(name, 0))
            found.due[name] = found.due.get(name, 0) - share
            left -= share
        return left < self.limit


@dataclass(frozen=True, slots=True)
class TaskFinal:
    """Condition: a task has reached a final state."""

    task_id: UUID

    def take(self, found: Found) -> bool:
        """Return whether the task is final."""
        return self.task_id in found.final


Condition = TasksDue | TaskFinal


@dataclass(slots=True, eq=False)
class Waiter:
    """A request that waits. `called` is resolved when its view should be called again.

    `is_over`: its next answer is sent. `has_nothing`: the last query found nothing for it.
    """

    condition: Condition
    joined: float
    deadline: float
    called: asyncio.Future[None] | None = None
    is_over: bool = False
    has_nothing: bool = False

    def call(self) -> None:
        """Have the view of the request called again. Call this on the event loop."""
        if self.called is not None and not self.called.done():
            self.called.set_result(None)


class Waiters:
    """The waiting requests of this process. A request keeps its place until it is answered."""

    def __init__(
        self, look: Callable[[Sequence[Condition]], Found], *, max_waiting: int = MAX_WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._look = look
        self._max = max_waiting
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: dict[Waiter, None] = {}  # in the order of arrival
        self._hurried = False
        self._looked_at = float("-inf")
        self._next_due_s: float | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def join(self, condition: Condition, *, within_s: float) -> Waiter | None:
        """Take a place in the queue; return None if this process is stopping.

        Raises:
            TooManyWaiting
        """
        if self._closed.is_set():
            return None
        with self._changed:
            if len(self._waiting) >= self._max:
                raise TooManyWaiting(limit=self._max)
            now = self._clock()
            waiter = Waiter(condition, joined=now, deadline=now + within_s)
            self._waiting[waiter] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="waiters", daemon=True)
                self._thread.start()
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Give up the place."""
        with self._changed:
            self._waiting.pop(waiter, None)

    def are_before(self, wanted: TasksDue) -> bool:
        """Return whether requests wait for a task that `wanted` could take."""
        with self._changed:
            conditions = [each.condition for each in self._waiting]
        return any(isinstance(each, TasksDue) and not set(each.types).isdisjoint(wanted.types) for each in conditions)

    async def turn(self, waiter: Waiter, gone: asyncio.Future[None]) -> None:
        """Wait until the view should be called again, the wait is over, or the client has disconnected."""
        self._loop = asyncio.get_running_loop()
        is_new = waiter.called is None
        waiter.called = self._loop.create_future()
        if self._closed.is_set():
            waiter.is_over = True
            return
        if is_new:
            self.hurry()
        end = waiter.deadline if waiter.deadline > waiter.joined else waiter.joined + MAX_TURN_S
        left = max(0.0, end - self._clock())
        done, _ = await asyncio.wait({waiter.called, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        waiter.is_over = waiter.is_over or not done

    def hurry(self) -> None:
        """Query soon, because a request may have changed what others wait for."""
        if self._waiting:
            with self._changed:
                self._hurried = True
                self._changed.notify_all()

    def close(self) -> None:
        """End all waits. Call this on the event loop."""
        self._closed.set()
        with self._changed:
            waiting = list(self._waiting)
            self._changed.notify_all()
        for each in waiting:
            each.is_over = True
            each.call()

    def step(self) -> bool:
        """Query once for all waiting requests, and call those whose condition is true, in their order."""
        with self._changed:
            seen = list(self._waiting)
            self._hurried = False
        if not seen:
            return False
        self._looked_at = self._clock()
        found = self._look([each.condition for each in seen])
        self._next_due_s = found.next_due_s
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed, so nothing waits
                self._loop.call_soon_threadsafe(self._share, seen, found)
        return False

    def wait(self) -> None:
        """Wait until the next query is due. While no request waits, return every IDLE_S, as a sign of life."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting or self._closed.is_set(), IDLE_S):
                return
            next_at = self._looked_at + self._pause_s()
            self._changed.wait_for(lambda: self._hurried or self._closed.is_set(), next_at - self._clock())
        self._closed.wait(min(next_at, self._looked_at + MIN_INTERVAL_S) - self._clock())

    def _pause_s(self) -> float:
        """Return the seconds between the last query and the next one, at the latest when the next task is due."""
        youngest = next(reversed(self._waiting), None)
        age = self._clock() - youngest.joined if youngest else 0.0
        pause = max(MIN_INTERVAL_S, min(MAX_INTERVAL_S, age * INTERVAL_BY_AGE))
        return pause if self._next_due_s is None else min(pause, max(MIN_PAUSE_S, self._next_due_s))

    def _share(self, seen: Sequence[Waiter], found: Found) -> None:
        """Call the requests whose condition is true, in their order, and those whose wait is over.

        A request whose view is running takes its share again, because it may not have committed yet.
        """
        now = self._clock()
        for each in seen:
            if each.condition.take(found):
                each.call()
            elif each.deadline <= now:
                each.is_over = each.has_nothing = True
                each.call()

    def _run(self) -> None:
        repeat(self.step, wait=self.wait, stop=self._closed, name="waiters")


def look(engine: Engine, conditions: Sequence[Condition]) -> Found:
    """Query Postgres for all of these conditions, with at most two statements.

    Raises:
        LedgerUnavailable.
    """
    found, due = Found(), [each for each in conditions if isinstance(each, TasksDue)]
    if due:
        types = sorted({name for each in due for name in each.types})
        rows = due_soon(engine, types, limit=min(MAX_CLAIMS, sum(each.limit for each in due)))
        found.due = {each.type: each.number for each in rows}
        found.next_due_s = min((each.next_s for each in rows if each.next_s is not None), default=None)
    if ids := [str(each.task_id) for each in conditions if isinstance(each, TaskFinal)]:
        found.final = set(final_among(engine, ids))
    return found
