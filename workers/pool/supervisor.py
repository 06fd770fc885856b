"""The supervisor: the thread that owns the slots. It places claims, reads events, enforces timeouts and cancels."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import ceil
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from app import outcome
from app.logs import get_logger
from workers.pool.protocol import Done, Failure
from workers.pool.selector import PoolSelector
from workers.pool.slot import ProcessSlot, Slot, ThreadSlot

if TYPE_CHECKING:
    from app.outcome import Outcome
    from app.task import Claim
    from app.task_types import TaskTypes
    from workers.pool.claims import HeldClaims
    from workers.pool.pool import FreeSlots
    from workers.pool.protocol import RunLease

log = get_logger()

MAX_DELAY_S = 0.1  # how long a task may delay the rest of its chunk before that begins in other slots
START_LIMIT_S = 30.0
FAILED_START_PAUSE_S = 1.0
TICK_S = 0.05
KILLED_FOR_ANOTHER = Failure("crashed", "Its process was killed for a task before it, which had run for too long.")
NOT_STARTED = Failure("crashed", "The process of the handler did not start, or stood still between two tasks.")


def failed(failure: Failure) -> Callable[[Claim], Outcome]:
    """Return a function that makes the outcome of a claim that ended with this failure."""
    return lambda claim: outcome.failed(claim, failure.type, failure.message)


class Supervisor:
    """Owns the slots. All methods run in one thread, by `step`, except `ask`, which any thread may call."""

    def __init__(self, types: TaskTypes, *, free_slots: FreeSlots, lease: RunLease, claims: HeldClaims) -> None:
        self.busy: set[Slot] = set()
        self._types = types
        self._free_slots = free_slots
        self._lease = lease
        self._claims = claims
        self._requests: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._idle: dict[type[Slot], deque[Slot]] = {ProcessSlot: deque(), ThreadSlot: deque()}
        self._selector = PoolSelector()
        self._ready: list[tuple[Slot, int]] = []
        self._to_cancel: set[str] = set()

    def ask(self, *requests: Callable[[], object]) -> None:
        """Have the supervisor's thread call these, in order. May be called from any thread."""
        for request in requests:
            self._requests.put(request)
        self._selector.wake()

    def wait(self) -> None:
        """Wait for an event, the death of a slot or a request; while tasks run, at most TICK_S."""
        is_streaming = any(slot.is_streaming for slot in self.busy)
        self._ready = self._selector.wait(TICK_S if self.busy else None, in_a_stream=is_streaming)

    def step(self) -> bool:
        """Handle requests and the slots that `wait` found, enforce timeouts. Return False: `wait` finds the rest."""
        ready, self._ready = self._ready, []
        with suppress(Empty):
            while True:
                self._requests.get_nowait()()
        for slot, fd in ready:
            if not slot.closed:
                self._read(slot, is_gone=fd == slot.sentinel)
        now = time.monotonic()
        for slot in list(self.busy):
            self._enforce(slot, now)
        for task_id in list(self._to_cancel):
            self.cancel(task_id)
        return False

    # Requests of other threads.

    def prepare(self) -> None:
        """Start one child."""
        self._idle[ProcessSlot].append(self._start(ProcessSlot))

    def place(self, claims: Sequence[Claim], slots: int) -> None:
        """Divide the claims into chunks, one for each slot taken, and begin them; without a slot, hand them back."""
        if not slots:
            self._claims.hand_back(claims)
            return
        size = ceil(len(claims) / slots)
        chunks = [claims[at : at + size] for at in range(0, len(claims), size)]
        if len(chunks) < slots:
            self._free_slots.give_back(slots - len(chunks))
        for chunk in chunks:
            self._begin(chunk)

    def cancel(self, task_id: str) -> None:
        """End one task and no other; do nothing if the pool does not hold it.

        A task that is about to begin can be neither withdrawn nor killed, so the next step tries again.
        """
        slot = self._claims.slot_of(task_id)
        if slot is None:
            self._to_cancel.discard(task_id)
            return
        self._to_cancel.add(task_id)
        if claim := slot.withdraw_task(task_id):
            self._claims.end([outcome.cancelled(claim)])
        elif (running := slot.running()) and running[0].id == task_id:
            self._kill(slot, outcome.cancelled, running[0])

    def withdraw_all(self) -> None:
        """Hand back all claims that have not begun."""
        for slot in list(self.busy):
            self._claims.hand_back(slot.withdraw())

    def kill_all(self, failure: Failure) -> None:
        """Kill all running tasks, so that they end with this failure; hand back those that have not begun."""
        self.withdraw_all()  # otherwise they would begin in other slots
        for slot in list(self.busy):
            self._kill(slot, failed(failure))

    def close_idle(self, closed: list[Slot]) -> None:
        """Close the idle slots, and add them to `closed`."""
        for idle in self._idle.values():
            while idle:
                closed.append(idle[-1])
                self._forget(idle[-1])

    # Placing.

    def _begin(self, chunk: Sequence[Claim]) -> None:
        """Give a chunk to an idle slot or a new one. The free slot for it has been taken."""
        kind = ThreadSlot if self._types[chunk[0].type].isolation == "thread" else ProcessSlot
        is_new = False
        while not is_new:
            is_new = not self._idle[kind]
            try:
                slot = self._start(kind) if is_new else self._idle[kind].pop()
            except Exception:  # no memory or file descriptors; other workers may have some
                log.exception("slot_not_started")
                break
            try:
                slot.give(chunk, now=time.monotonic())
            except OSError:  # it died while it was idle
                self._forget(slot)
            else:
                self.busy.add(slot)
                self._claims.hold(chunk, slot)
                return
        self._not_started(chunk)

    def _begin_elsewhere(self, claims: Sequence[Claim]) -> None:
        if claims:
            self.place(claims, self._free_slots.take(len(claims)))

    def _begin_again(self, claims: Sequence[Claim]) -> None:
        """Place claims that have lost their slot. They inherit it, and may take free ones as well."""
        if claims:
            self.place(claims, 1 + self._free_slots.take(len(claims) - 1))
        else:
            self._free_slots.give_back(1)

    def _start(self, kind: type[Slot]) -> Slot:
        slot = ThreadSlot(self._lease, self._types) if kind is ThreadSlot else ProcessSlot(self._lease)
        self._selector.add(slot)
        return slot

    def _not_started(self, chunk: Sequence[Claim]) -> None:
        """Hand the chunk back at once, and free the slot after a pause, so that failures make no busy loop."""
        self._claims.hand_back(chunk)
        self._free_slots.give_back_later(1, FAILED_START_PAUSE_S)

    # Reading.

    def _read(self, slot: Slot, *, is_gone: bool) -> None:
        events = slot.read(now=time.monotonic())
        self._claims.ended(slot, events)
        if events and isinstance(events[-1], Done):
            self._chunk_done(slot)
        if slot.hung_up:
            self._hung_up(slot)
        if is_gone and isinstance(slot, ProcessSlot):
            slot.kill()  # processes that the handler started may still run
            self._report_dead(slot, failed(Failure("crashed", slot.exit_reason())))

    def _chunk_done(self, slot: Slot) -> None:
        """Make the slot idle. Tasks left in its chunk were not covered by the lease, or their tokens were held."""
        self.busy.discard(slot)
        self._idle[type(slot)].append(slot)
        if not slot.waiting:
            self._free_slots.give_back(1)
            return
        rest = slot.withdraw()
        if rest and not self._lease.covers(rest[0]):
            self._claims.hand_back(rest)
            rest = ()
        self._begin_again(rest)

    def _hung_up(self, slot: Slot) -> None:
        """Stop reading a closed event pipe: its thread has died, or its child will, whose handler closed the pipe."""
        self._selector.remove_events(slot)
        if isinstance(slot, ThreadSlot):
            self._report_dead(slot, failed(Failure("crashed", "The thread of the handler ended.")))

    # Time limits.

    def _enforce(self, slot: Slot, now: float) -> None:
        """Kill a task that exceeds its timeout; let the rest of a slow task's chunk begin in other slots."""
        with suppress(OSError):  # a dead slot is noticed by its sentinel
            slot.send()  # the rest of a chunk that is larger than the pipe
        running = slot.running()
        if running is None:
            self._enforce_between(slot, now - slot.last_event_at)
            return
        claim, since = running
        if slot.waiting and now - since > MAX_DELAY_S:
            self._begin_elsewhere(slot.withdraw())
        if now - since > claim.timeout_s and slot.abandoned is not claim:
            self._kill(slot, failed(Failure("timeout", f"Killed after {claim.timeout_s:g} s.")), claim)

    def _enforce_between(self, slot: Slot, quiet_s: float) -> None:
        """Act on a slot that runs nothing, by the events read: it is starting, or frozen between two tasks."""
        if slot.has_begun and slot.waiting and quiet_s > MAX_DELAY_S:
            self._begin_elsewhere(slot.withdraw())
        if quiet_s > START_LIMIT_S and isinstance(slot, ProcessSlot):
            self._kill(slot, failed(NOT_STARTED))

    # Killing.

    def _kill(self, slot: Slot, end: Callable[[Claim], Outcome], only: Claim | None = None) -> None:
        """End the running task with the outcome that `end` makes of it; tasks behind it begin in other slots.

        With `only`, nothing happens if that task is over. The tokens are held before the events are read, so a task
        that runs after that is the last one that can begin in this slot.
        """
        slot.hold()
        self._read(slot, is_gone=False)
        if slot not in self.busy:
            return
        running = slot.running()
        if only is not None and (running is None or running[0] is not only):
            slot.resume()
        elif isinstance(slot, ProcessSlot):
            slot.kill()
            self._report_dead(slot, end, only)
        else:
            self._begin_elsewhere(slot.withdraw())
            if running is not None and slot.abandoned is not running[0]:
                slot.abandoned = running[0]
                self._claims.cut_short(running, end)

    def _report_dead(self, slot: Slot, end: Callable[[Claim], Outcome], only: Claim | None = None) -> None:
        """Report the task that a dead slot ran with the outcome that `end` makes of it; place the rest of its chunk.

        The rest are the tasks that were not withdrawn: their tokens are in the pipe, or taken without the code begun.
        """
        if slot in self.busy:
            self.busy.discard(slot)
            while events := slot.read(now=time.monotonic()):
                self._claims.ended(slot, events)
            running, rest = slot.running(), slot.not_begun()
            if running is not None and slot.abandoned is not running[0]:
                is_other = only is not None and running[0] is not only
                self._claims.cut_short(running, failed(KILLED_FOR_ANOTHER) if is_other else end)
            if slot.ever_began:
                self._begin_again(rest)
            else:
                self._not_started(rest)
        self._forget(slot)

    def _forget(self, slot: Slot) -> None:
        self._selector.remove(slot)
        with suppress(ValueError):
            self._idle[type(slot)].remove(slot)
        slot.close()
