"""The pool of a worker process: the interface to its slots for other threads, and how many tasks it can take."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

from app.loop import repeat
from workers.pool.claims import HeldClaims
from workers.pool.protocol import RunLease
from workers.pool.selector import PoolSelector
from workers.pool.shared_memory import SharedMemory
from workers.pool.slot import ProcessSlot, Slot
from workers.pool.slot_source import SlotSource
from workers.pool.supervisor import TICK_S, Supervisor

if TYPE_CHECKING:
    from app.task import Claim
    from app.task_types import TaskTypes
    from workers.pool.children import Children
    from workers.pool.claims import Results
    from workers.pool.protocol import Failure
    from workers.pool.slot_source import StartTrouble

KILL_LIMIT_S = 10.0
CLOSE_LIMIT_S = 2.0
CHUNK_MS = 50.0
MAX_CHUNK = 500
SMOOTHING = 0.2
SPARE_CELLS = 16


class Pool:
    """Runs claims in slots, which one thread supervises. All methods may be called from any thread."""

    def __init__(
        self, types: TaskTypes, *, slots: int, durations: DurationStats, results: Results, modules: Sequence[str] = ()
    ) -> None:
        """`modules` are imported once by the fork server, before it forks the first child."""
        self.free_slots = FreeSlots(slots)
        self.durations = durations
        memory = SharedMemory(2 * slots + SPARE_CELLS)
        self.run_lease = RunLease.begin(memory)
        self._closing = False
        self._claims = HeldClaims(self.durations, results)
        selector = PoolSelector()
        self._source = SlotSource(
            types, free_slots=self.free_slots, lease=self.run_lease, memory=memory, modules=modules, selector=selector
        )
        self._supervisor = Supervisor(
            types, free_slots=self.free_slots, lease=self.run_lease, claims=self._claims, source=self._source,
            selector=selector,
        )  # fmt: skip
        threading.Thread(target=self._supervise, name="pool", daemon=True).start()

    def _supervise(self) -> None:
        # Never stopped, and no long pause after an error: timeouts must be enforced as long as the process lives.
        step, wait = self._supervisor.step, self._supervisor.wait
        repeat(step, wait=wait, stop=threading.Event(), name="pool", max_backoff_s=TICK_S)

    def prepare(self) -> None:
        """Start one child before the first task needs it. No slot is free until that child is ready."""
        self.free_slots.withhold_beyond(0)
        self._supervisor.ask(self._supervisor.prepare)

    def start_trouble(self) -> StartTrouble | None:
        """Return why starts of children fail; None if they do not fail."""
        return self._source.trouble

    def has_children(self) -> bool:
        """Return whether a child is ready, so that some tasks can run."""
        slots = [*list(self._supervisor.busy), *list(self._source.idle[ProcessSlot])]
        return any(isinstance(slot, ProcessSlot) and slot.is_ready for slot in slots)

    def run(self, claims: Sequence[Claim]) -> None:
        """Begin claims, each type spread over free slots by its duration; without a free slot, hand them back."""
        by_type: defaultdict[str, list[Claim]] = defaultdict(list)
        for each in claims:
            by_type[each.type].append(each)
        for task_type, group in by_type.items():
            wanted = 0 if self._closing else self.durations.slots_for(task_type, len(group))
            self._supervisor.ask(partial(self._supervisor.place, group, self.free_slots.take(wanted)))

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
        """Return whether the supervisor answers within this time. If not, timeouts are not enforced."""
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
        """Let all idle children end, and kill those that a thread of a handler keeps running."""
        closed: list[Slot] = []
        servers: list[Children] = []
        done = threading.Event()
        self._supervisor.ask(
            lambda: closed.extend(self._source.close_idle()), lambda: servers.extend(self._source.retire()), done.set
        )
        done.wait(5)
        until = time.monotonic() + CLOSE_LIMIT_S
        for slot in closed:
            slot.end(until - time.monotonic())
        for server in servers:
            server.end(CLOSE_LIMIT_S)


class FreeSlots:
    """Thread-safe count of free slots.

    `withheld` slots are neither busy nor free, because no child can be started for them. `changed` guards the counts
    and is notified when they change, except by `take`. The inbox waits on the same condition.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.count = total
        self.withheld = 0
        self.changed = threading.Condition()

    @property
    def busy(self) -> int:
        """How many slots run tasks."""
        return self.total - self.count - self.withheld

    def wait_until_all_free(self, timeout_s: float) -> bool:
        """Wait until all slots are free or withheld; return False after the timeout."""
        with self.changed:
            return self.changed.wait_for(lambda: self.count + self.withheld == self.total, timeout_s)

    def take(self, wanted: int) -> int:
        """Take up to `wanted` slots; return how many were taken."""
        with self.changed:
            taken = min(wanted, self.count)
            self.count -= taken
            return taken

    def give_back(self, taken: int) -> None:
        """Make this many slots free again."""
        with self.changed:
            self.count += taken
            self.changed.notify_all()

    def withhold(self, taken: int) -> None:
        """Withhold slots that were taken, until `restore`."""
        with self.changed:
            self.withheld += taken
            self.changed.notify_all()

    def withhold_beyond(self, kept: int) -> None:
        """Withhold all free slots except `kept` of them, until `restore`."""
        with self.changed:
            beyond = max(0, self.count - kept)
            self.count -= beyond
            self.withheld += beyond
            self.changed.notify_all()

    def restore(self, wanted: int) -> None:
        """Make up to this number of withheld slots free again."""
        with self.changed:
            restored = min(wanted, self.withheld)
            self.count += restored
            self.withheld -= restored
            self.changed.notify_all()


class DurationStats:
    """Running mean of the duration by task type, in milliseconds. A type that never ran counts as one of CHUNK_MS."""

    def __init__(self, max_chunk: int = 0) -> None:
        """`max_chunk` is how many tasks a slot may get at once, at most MAX_CHUNK; 0 means MAX_CHUNK."""
        self.means_ms: dict[str, float] = {}
        self._max_chunk = min(max_chunk or MAX_CHUNK, MAX_CHUNK)

    def observe(self, task_type: str, took_ms: float, tasks: int = 1) -> None:
        """Add `tasks` tasks of this type that took `took_ms` each."""
        mean = self.means_ms.get(task_type, took_ms)
        self.means_ms[task_type] = took_ms + (1 - SMOOTHING) ** tasks * (mean - took_ms)

    def capacity(self, task_type: str, slots: int) -> int:
        """Return how many tasks of this type `slots` slots may hold: about 50 ms of work each.

        Of a type that takes about 50 ms a slot holds two tasks, so that it need not wait for a claim between them.
        """
        mean_ms = max(self.means_ms.get(task_type, CHUNK_MS), CHUNK_MS / MAX_CHUNK)
        wanted = max(1, int(CHUNK_MS / mean_ms), min(2, round(2 * CHUNK_MS / mean_ms)))
        return slots * min(wanted, self._max_chunk)

    def is_slow(self, task_type: str) -> bool:
        """Return whether tasks of this type take at least 50 ms; True for a type that never ran."""
        return self.means_ms.get(task_type, CHUNK_MS) >= CHUNK_MS

    def slots_for(self, task_type: str, tasks: int) -> int:
        """Return over how many slots to spread `tasks` tasks of this type: one for each 50 ms of work."""
        work_ms = tasks * self.means_ms.get(task_type, CHUNK_MS)
        return min(tasks, max(1, ceil(work_ms / CHUNK_MS), ceil(tasks / self._max_chunk)))
