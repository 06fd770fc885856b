"""The pool of a worker process: the interface to its slots for other threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from app.loop import repeat
from workers.pool.capacity import DurationStats, FreeSlots
from workers.pool.claims import HeldClaims
from workers.pool.shared import RunLease
from workers.pool.supervisor import TICK_S, Supervisor

if TYPE_CHECKING:
    from app.task import Claim
    from app.task_types import TaskTypes
    from workers.pool.claims import Results
    from workers.pool.protocol import Failure
    from workers.pool.slot import Slot

KILL_LIMIT_S = 10.0
CLOSE_LIMIT_S = 2.0


class Pool:
    """Runs claims in slots, which one thread supervises. All methods may be called from any thread."""

    def __init__(self, types: TaskTypes, *, slots: int, durations: DurationStats, results: Results) -> None:
        self.free_slots = FreeSlots(slots)
        self.durations = durations
        self.run_lease = RunLease()
        self._closing = False
        self._claims = HeldClaims(self.durations, results)
        self._supervisor = Supervisor(types, free_slots=self.free_slots, lease=self.run_lease, claims=self._claims)
        threading.Thread(target=self._supervise, name="pool", daemon=True).start()

    def _supervise(self) -> None:
        # Never stopped, and no long pause after an error: time limits must be enforced as long as the process lives.
        step, wait = self._supervisor.step, self._supervisor.wait
        repeat(step, wait=wait, stop=threading.Event(), name="pool", max_backoff_s=TICK_S)

    def prepare(self) -> None:
        """Start one child before the first task needs it."""
        self._supervisor.ask(self._supervisor.prepare)

    def run(self, claims: Sequence[Claim]) -> None:
        """Begin claims of one type, spread over free slots by their duration; without a free slot, hand them back."""
        if claims:
            taken = 0 if self._closing else self.free_slots.take(self.durations.slots_for(claims[0].type, len(claims)))
            self._supervisor.ask(partial(self._supervisor.place, claims, taken))

    def slot_of(self, task_id: str) -> Slot | None:
        """Return the slot that runs or will run this task; None if the pool does not hold it."""
        return self._claims.slot_of(task_id)

    def cancel(self, task_id: str) -> None:
        """End one task with the outcome `cancelled`, without effect on other tasks.

        A task that has not begun is withdrawn. A child that runs the task is killed, and the tasks that wait behind it
        begin in other slots. A thread cannot be killed: the outcome is written at once, and the late result ignored.
        Nothing happens if the pool does not hold the task.
        """
        self._supervisor.ask(partial(self._supervisor.cancel, task_id))

    def slots_of_slow_types(self) -> int:
        """Return about how many slots run tasks of slow types; the supervisor may change that at the same time."""
        is_slow = self.durations.is_slow
        return sum(is_slow(slot.chunk[0].type) for slot in list(self._supervisor.busy) if slot.chunk)

    def is_supervised(self, within_s: float) -> bool:
        """Return whether the supervisor answers in time. A process that does not start may block it."""
        answered = threading.Event()
        self._supervisor.ask(answered.set)
        return answered.wait(within_s)

    def withdraw_all(self) -> None:
        """Hand back all claims that have not begun, and those that are given from now on."""
        self._closing = True
        self._supervisor.ask(self._supervisor.withdraw_all)

    def fence(self, failure: Failure) -> None:
        """Make all claims void and kill all running tasks, because other workers may hold them now."""
        self.run_lease.revoke()
        self.kill_all(failure)

    def kill_all(self, failure: Failure) -> None:
        """Kill all running tasks, so that they end with this failure; return once that is done."""
        done = threading.Event()
        self._supervisor.ask(partial(self._supervisor.kill_all, failure), done.set)
        done.wait(KILL_LIMIT_S)

    def close(self) -> None:
        """Let all idle children end, and kill one that does not because a handler left a thread running."""
        closed: list[Slot] = []
        done = threading.Event()
        self._supervisor.ask(partial(self._supervisor.close_idle, closed), done.set)
        done.wait(5)
        until = time.monotonic() + CLOSE_LIMIT_S
        for slot in closed:
            slot.end(until - time.monotonic())
