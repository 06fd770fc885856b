"""The supervisor: the thread that owns the slots. It places claims, reads events, enforces timeouts and cancels."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import ceil
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from app import outcome
from app.logs import get_logger
from workers.pool.children import Children
from workers.pool.protocol import Done, Failure, NotReady
from workers.pool.slot import ProcessSlot, Slot, ThreadSlot
from workers.pool.slot_source import CannotStart

if TYPE_CHECKING:
    from app.outcome import Outcome
    from app.task import Claim
    from app.task_types import TaskTypes
    from workers.pool.claims import HeldClaims
    from workers.pool.pool import FreeSlots
    from workers.pool.protocol import Event, RunLease
    from workers.pool.selector import PoolSelector
    from workers.pool.slot_source import SlotSource

log = get_logger()

MAX_DELAY_S = 0.1  # how long a task may delay the rest of its chunk before that begins in other slots
BETWEEN_TASKS_LIMIT_S = 30.0
TICK_S = 0.05
IDLE_S = 1.0
KILLED_FOR_ANOTHER = Failure("crashed", "Its process was killed because an earlier task was cancelled or timed out.")
FROZEN = Failure("crashed", "The process of the handler was frozen between two tasks.")


def failed(failure: Failure) -> Callable[[Claim], Outcome]:
    """Return a function that makes the outcome of a claim that ended with this failure."""
    return lambda claim: outcome.failed(claim, failure.type, failure.message)


class Supervisor:
    """Owns the slots. All methods run in one thread, by `step`, except `ask`, which any thread may call."""

    def __init__(
        self, types: TaskTypes, *, free_slots: FreeSlots, lease: RunLease, claims: HeldClaims, source: SlotSource,
        selector: PoolSelector,
    ) -> None:  # fmt: skip
        self.busy: set[Slot] = set()
        self._types = types
        self._free_slots = free_slots
        self._lease = lease
        self._claims = claims
        self._source = source
        self._requests: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._selector = selector
        self._ready: list[Slot | Children] = []
        self._to_cancel: set[str] = set()

    def ask(self, *requests: Callable[[], object]) -> None:
        """Have the supervisor's thread call these, in order. May be called from any thread."""
        for request in requests:
            self._requests.put(request)
        self._selector.wake()

    def wait(self) -> None:
        """Wait for an event, the end of a child or a request; while tasks run or slots are withheld, at most TICK_S."""
        is_streaming = any(slot.is_streaming for slot in self.busy)
        timeout_s = TICK_S if self.busy or self._free_slots.withheld else IDLE_S
        self._ready = self._selector.wait(timeout_s, in_a_stream=is_streaming)

    def step(self) -> bool:
        """Handle requests and what `wait` found, enforce timeouts. Return False: `wait` finds the rest."""
        ready, self._ready = self._ready, []
        with suppress(Empty):
            while True:
                self._requests.get_nowait()()
        for each in ready:
            if isinstance(each, Children):
                for over in self._source.receive(each):
                    self._gone(over)
            elif not each.closed:
                self._read(each)
        now = time.monotonic()
        for slot in list(self.busy):
            self._enforce(slot, now)
        for late in self._source.overdue(now):
            self._gone(late)
        if self._source.is_time_to_try(now):
            self.prepare()
        for task_id in list(self._to_cancel):
            self.cancel(task_id)
        return False

    # Requests of other threads.

    def prepare(self) -> None:
        """Start one child, which becomes idle when it is ready."""
        try:
            self._source.start(ProcessSlot)
        except CannotStart as error:
            self._source.failed(str(error))

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

    # Placing.

    def _begin(self, chunk: Sequence[Claim]) -> None:
        """Give a chunk to an idle slot or a new one. The free slot for it has been taken."""
        kind = ThreadSlot if self._types[chunk[0].type].isolation == "thread" else ProcessSlot
        is_new = False
        while not is_new:
            idle = self._source.idle[kind]
            is_new = not idle
            try:
                slot = self._source.start(kind) if is_new else idle.pop()
            except CannotStart as error:
                self._not_started(chunk, str(error))
                return
            try:
                slot.give(chunk, now=time.monotonic())
            except OSError:  # it died while it was idle
                self._source.forget(slot)
            else:
                self.busy.add(slot)
                self._claims.hold(chunk, slot)
                return
        self._not_started(chunk, "its pipe is closed", slot)

    def _begin_elsewhere(self, claims: Sequence[Claim]) -> None:
        if claims:
            self.place(claims, self._free_slots.take(len(claims)))

    def _begin_again(self, claims: Sequence[Claim]) -> None:
        """Place claims that have lost their slot. They inherit it, and may take free ones as well."""
        if claims:
            self.place(claims, 1 + self._free_slots.take(len(claims) - 1))
        else:
            self._free_slots.give_back(1)

    def _not_started(self, chunk: Sequence[Claim], reason: str, slot: Slot | None = None) -> None:
        """Withhold the slot, so that this worker claims nothing for it until a start works; hand the chunk back."""
        self._free_slots.withhold(1)
        self._source.failed(reason, slot)
        self._claims.hand_back(chunk)

    # Reading.

    def _read(self, slot: Slot) -> None:
        events = slot.read(now=time.monotonic())
        if events and isinstance(slot, ProcessSlot) and not slot.is_ready:
            self._starting(slot, events[0])
        self._claims.ended(slot, events)
        if events and isinstance(done := events[-1], Done):
            self._chunk_done(slot, done)
        if slot.closed:  # it is replaced
            return
        if slot.hung_up:
            self._hung_up(slot)

    def _starting(self, slot: ProcessSlot, first: Event) -> None:
        """Record that a child is ready, or why it is not."""
        if isinstance(first, NotReady):
            slot.failure = f"its child ended: {first.message}"
            return
        self._source.started(slot)
        if slot not in self.busy:
            self._source.idle[ProcessSlot].append(slot)

    def _gone(self, slot: ProcessSlot) -> None:
        """Report a slot whose child has ended, or was not started in time. Its tokens are held, so nothing begins."""
        if slot.closed:
            return
        slot.hold()
        slot.kill()  # processes that the handler started may still run
        self._read(slot)
        if not slot.closed:  # its last event did not ask for a replacement
            self._report_dead(slot, failed(Failure("crashed", slot.exit_reason())))

    def _chunk_done(self, slot: Slot, done: Done) -> None:
        """Make the slot idle, or replace it. The rest of its chunk was not covered by the lease, or its tokens held."""
        self.busy.discard(slot)
        rest = slot.withdraw() if slot.waiting else ()
        if done.replace is None:
            self._source.idle[type(slot)].append(slot)
        else:
            log.info("child_replaced", reason=done.replace, type=slot.chunk[0].type, task_id=slot.last_ended.id)
            self._source.forget(slot)  # its process ends by itself
        if rest and not self._lease.covers(rest[0]):
            self._claims.hand_back(rest)
            rest = ()
        self._begin_again(rest)

    def _hung_up(self, slot: Slot) -> None:
        """Stop reading a closed event pipe: a thread has ended, or a handler closed the pipe of its child."""
        self._selector.remove(slot)
        if isinstance(slot, ThreadSlot):
            self._report_dead(slot, failed(Failure("crashed", "The thread of the handler ended.")))

    # Time limits.

    def _enforce(self, slot: Slot, now: float) -> None:
        """Kill a task that exceeds its timeout; let the rest of a slow task's chunk begin in other slots."""
        with suppress(OSError):  # `wait` finds the end of a dead slot
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
        if quiet_s > BETWEEN_TASKS_LIMIT_S and isinstance(slot, ProcessSlot) and slot.is_ready:
            self._kill(slot, failed(FROZEN))

    # Killing.

    def _kill(self, slot: Slot, end: Callable[[Claim], Outcome], only: Claim | None = None) -> None:
        """End the running task with the outcome that `end` makes of it; tasks behind it begin in other slots.

        With `only`, nothing happens if that task is over. The tokens are held before the events are read, so a task
        that runs after that is the last one that can begin in this slot.
        """
        slot.hold()
        self._read(slot)
        if slot not in self.busy:
            return
        running = slot.running()
        if only is not None and (running is None or running[0] is not only):
            slot.resume()
        elif isinstance(slot, ProcessSlot) and not slot.is_ready:
            slot.resume()  # it runs nothing yet; what is left of its chunk has been withdrawn, or may begin
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
                self._not_started(rest, slot.start_failure(), slot)
        elif isinstance(slot, ProcessSlot) and not slot.is_ready:
            self._source.failed(slot.start_failure(), slot)
        self._source.forget(slot)
