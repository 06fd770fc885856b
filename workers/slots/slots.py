"""All slots of a worker process and the thread that watches over them: deadlines, deaths, tasks that must wait."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from math import ceil
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import structlog

from workers.slots.attention import Attention
from workers.slots.pace import Pace
from workers.slots.permit import Permit
from workers.slots.protocol import Done
from workers.slots.reports import Reports
from workers.slots.room import Room
from workers.slots.slot import ProcessSlot, Slot, ThreadSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.task import Claim
    from app.task_types import TaskTypes
    from workers.slots.listener import Listener

log = structlog.get_logger()

PATIENCE_S = 0.1  # a task may hold its chunk mates for so long; then they are given to other slots
START_LIMIT_S = 30.0
AFTER_A_FAILED_START_S = 1.0
TICK_S = 0.05
CLOSE_LIMIT_S = 2.0
OF_ANOTHER = "Its process was killed for a task before it, which had run for too long."


class Slots:
    """Places to run tasks. All slots belong to the watching thread, which others ask by its inbox."""

    def __init__(self, types: TaskTypes, *, count: int, listener: Listener, pace: Pace | None = None) -> None:
        self.room = Room(count)
        self.pace = pace or Pace()
        self.permit = Permit()
        self._closing = False
        self._types = types
        self._listener = listener
        self._reports = Reports(self.pace, listener)
        self._inbox: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._idle: dict[type[Slot], deque[Slot]] = {ProcessSlot: deque(), ThreadSlot: deque()}
        self._busy: set[Slot] = set()
        self._attention = Attention()
        threading.Thread(target=self._watch_forever, name="slots", daemon=True).start()

    def prepare(self) -> None:
        """Have one child ready before the first task needs it."""
        self._ask(lambda: self._idle[ProcessSlot].append(self._start(ProcessSlot)))

    def run(self, claims: Sequence[Claim]) -> None:
        """Begin these, of one type, spread over as many free slots as they are worth; without a free one, unused."""
        if self._closing:
            self._give_back(claims)
        elif claims:
            taken = self.room.take(self.pace.slots_for(claims[0].type, len(claims)))
            self._ask(partial(self._spread, claims, taken))

    def taken_by_slow(self) -> int:
        """How many slots tasks of slow types have, about: others change that meanwhile."""
        return sum(self.pace.is_slow(slot.chunk[0].type) for slot in list(self._busy) if slot.chunk)

    def are_watched(self, within_s: float) -> bool:
        """Whether the watch goes on; it may stand still on a process that does not start."""
        seen = threading.Event()
        self._ask(seen.set)
        return seen.wait(within_s)

    def withdraw_all(self) -> None:
        """Give everything that has not begun back, as unused; also whatever comes from now on."""
        self._closing = True
        self._ask(self._withdraw_all)

    def fence(self, error: tuple[str, str]) -> None:
        """Others may have what this worker holds: nothing claimed so far begins any more, what runs is killed."""
        self.permit.lapse()
        self.kill_all(error)

    def kill_all(self, error: tuple[str, str]) -> None:
        """Kill whatever runs; it ends with this error. Returns when it is done."""
        done = threading.Event()
        self._ask(partial(self._kill_all, error), done.set)
        done.wait(10)

    def close(self) -> None:
        """Let all idle children end; one that cannot, because a handler left a thread running, is killed."""
        closed: list[Slot] = []
        done = threading.Event()
        self._ask(partial(self._close_idle, closed), done.set)
        done.wait(5)
        until = time.monotonic() + CLOSE_LIMIT_S
        for slot in closed:
            slot.end(until - time.monotonic())

    def _watch_forever(self) -> None:
        while True:
            try:
                self._watch(TICK_S if self._busy else None)
            except Exception:  # the watch must go on, or nothing would be killed any more
                log.exception("slots_watch_failed")

    def _watch(self, timeout_s: float | None) -> None:
        ready = self._attention.wait(timeout_s, in_a_stream=any(slot.is_streaming for slot in self._busy))
        self._answer_inbox()
        for slot, fd in ready:
            if not slot.closed:
                self._read(slot, is_gone=fd == slot.sentinel)
        now = time.monotonic()
        for slot in list(self._busy):
            self._enforce(slot, now)

    def _spread(self, claims: Sequence[Claim], slots: int) -> None:
        """Cut into chunks, one for each slot taken; handed back, for other workers, when there is none."""
        if not slots:
            self._give_back(claims)
            return
        size = ceil(len(claims) / slots)
        chunks = [claims[at : at + size] for at in range(0, len(claims), size)]
        self.room.give_back(slots - len(chunks))
        for chunk in chunks:
            self._begin(chunk)

    def _begin(self, chunk: Sequence[Claim]) -> None:
        """Give a chunk to an idle slot or a new one; room for it was taken."""
        kind = ThreadSlot if self._types[chunk[0].type].isolation == "thread" else ProcessSlot
        while self._idle[kind]:
            slot = self._idle[kind].pop()
            if self._give(slot, chunk):
                return
        try:
            slot = self._start(kind)
        except Exception:  # no memory, no file descriptors: others may have some
            log.exception("slot_not_started")
            self._not_started(chunk)
        else:
            if not self._give(slot, chunk):
                self._not_started(chunk)

    def _give(self, slot: Slot, chunk: Sequence[Claim]) -> bool:
        try:
            slot.give(chunk, now=time.monotonic())
        except OSError:  # it died while idle
            self._forget(slot)
            return False
        self._busy.add(slot)
        self._send(slot)
        return True

    def _start(self, kind: type[Slot]) -> Slot:
        slot = ThreadSlot(self.permit, self._types) if kind is ThreadSlot else ProcessSlot(self.permit)
        self._attention.add(slot)
        return slot

    def _not_started(self, chunk: Sequence[Claim]) -> None:
        """Give the chunk back at once and the room a little later: failing must not become a busy loop."""
        self._give_back(chunk)
        self.room.give_back_later(1, AFTER_A_FAILED_START_S)

    def _send(self, slot: Slot) -> None:
        """A chunk may be larger than a pipe: what does not fit now is sent at the next looks."""
        with suppress(OSError):  # if it is dead, the sentinel tells
            slot.send()

    def _read(self, slot: Slot, *, is_gone: bool) -> None:
        events = slot.read(now=time.monotonic())
        self._reports.ended(slot, events)
        if events and isinstance(events[-1], Done):
            self._give_back(slot.withdraw())  # what the permit did not cover
            self._busy.discard(slot)
            self._idle[type(slot)].append(slot)
            self.room.give_back(1)
        if slot.hung_up:
            self._hear_no_more(slot)
        if is_gone and isinstance(slot, ProcessSlot):
            slot.kill()  # what the handler started may be there still
            self._bury(slot, ("crashed", slot.how_it_died()))

    def _hear_no_more(self, slot: Slot) -> None:
        """It closed its end: a thread that died, or a child whose handler closed the files of others, and soon dies."""
        self._attention.remove_events(slot)
        if isinstance(slot, ThreadSlot):
            self._bury(slot, ("crashed", "The thread of the handler ended."))

    def _enforce(self, slot: Slot, now: float) -> None:
        """Kill what is over its time; let the mates of a slow task begin elsewhere."""
        self._send(slot)
        running = slot.running()
        if running is None:
            self._enforce_between(slot, now - slot.heard_at)
            return
        index, since = running
        if slot.waiting and now - since > PATIENCE_S:
            self._begin_elsewhere(slot.withdraw())
        timeout_s = slot.chunk[index].timeout_s
        if now - since > timeout_s and slot.timed_out != index:
            self._kill(slot, ("timeout", f"Killed after {timeout_s:g} s."), condemned=index)

    def _enforce_between(self, slot: Slot, quiet_s: float) -> None:
        """Nothing runs, as far as is heard: it starts, or stands still between two tasks, frozen perhaps."""
        if slot.begun and slot.waiting and quiet_s > PATIENCE_S:
            self._begin_elsewhere(slot.withdraw())
        if quiet_s > START_LIMIT_S and isinstance(slot, ProcessSlot):
            self._kill(slot, ("crashed", "The process of the handler did not start, or stood still between two tasks."))

    def _begin_elsewhere(self, claims: Sequence[Claim]) -> None:
        if claims:
            self._spread(claims, self.room.take(len(claims)))

    def _kill(self, slot: Slot, error: tuple[str, str], *, condemned: int | None = None) -> None:
        """End the task that runs, or only the `condemned` one: it may be over meanwhile, and its mate has begun."""
        unused = slot.withdraw()  # so that nothing else begins in it
        self._read(slot, is_gone=False)
        running = slot.running()
        if condemned is not None and (running is None or running[0] != condemned):
            self._begin_elsewhere(unused)
        elif isinstance(slot, ProcessSlot):
            slot.kill()
            self._bury(slot, error, condemned=condemned)
            self._begin_elsewhere(unused)
        else:
            self._begin_elsewhere(unused)
            if running is not None and slot.timed_out != running[0]:
                slot.timed_out = running[0]
                self._reports.cut_short(slot, running, error)

    def _bury(self, slot: Slot, error: tuple[str, str], *, condemned: int | None = None) -> None:
        """A child is gone: the task it ran ends with `error`, the rest of its chunk begins elsewhere."""
        if slot in self._busy:
            self._busy.discard(slot)
            self._read_last_words(slot)
            # Nobody took these, or the child did and never announced it: killed in between, so the code did not begin.
            # What was withdrawn before is not among them: it has begun elsewhere.
            rest = slot.chunk[slot.begun : slot.given]
            slot.withdraw()
            running = slot.running()
            if running is not None and slot.timed_out != running[0]:
                is_other = condemned is not None and running[0] != condemned
                self._reports.cut_short(slot, running, ("crashed", OF_ANOTHER) if is_other else error)
            if slot.ever_began:
                self.room.give_back(1)
                self._begin_elsewhere(rest)
            else:
                self._not_started(rest)
        self._forget(slot)

    def _read_last_words(self, slot: Slot) -> None:
        while events := slot.read(now=time.monotonic()):
            self._reports.ended(slot, events)

    def _forget(self, slot: Slot) -> None:
        self._attention.remove(slot)
        with suppress(ValueError):
            self._idle[type(slot)].remove(slot)
        slot.close()

    def _withdraw_all(self) -> None:
        for slot in list(self._busy):
            self._give_back(slot.withdraw())

    def _kill_all(self, error: tuple[str, str]) -> None:
        self._withdraw_all()  # or what has not begun would begin elsewhere
        for slot in list(self._busy):
            self._kill(slot, error)

    def _close_idle(self, closed: list[Slot]) -> None:
        for idle in self._idle.values():
            while idle:
                closed.append(idle[-1])
                self._forget(idle[-1])

    def _give_back(self, claims: Sequence[Claim]) -> None:
        if claims:
            self._listener.unused(claims)

    def _ask(self, *acts: Callable[[], object]) -> None:
        for act in acts:
            self._inbox.put(act)
        self._attention.call()

    def _answer_inbox(self) -> None:
        with suppress(Empty):
            while True:
                self._inbox.get_nowait()()
