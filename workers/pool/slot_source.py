"""Idle and new slots. While no child can be started, slots without one are withheld, and the start is retried."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.file_limit import soft_limit_at_start
from app.logs import get_logger
from workers.pool.children import Children
from workers.pool.slot import ProcessSlot, Slot, ThreadSlot

if TYPE_CHECKING:
    from app.task_types import TaskTypes
    from workers.pool.pool import FreeSlots
    from workers.pool.protocol import RunLease
    from workers.pool.selector import PoolSelector
    from workers.pool.shared_memory import SharedMemory

log = get_logger()

START_LIMIT_S = 30.0
MIN_PAUSE_S = 0.25
MAX_PAUSE_S = 2.0
FORGET_AFTER_S = 10.0  # after this time without a failed start, the next failure is followed by the shortest pause
END_LIMIT_S = 2.0
TOO_SLOW = "its child was not ready in time; an import may hang"
UNANSWERED = "the fork server does not answer"


class CannotStart(Exception):
    """A slot could not be started; the text says why."""


@dataclass(frozen=True, slots=True)
class StartTrouble:
    """Why no slot can be started, and since when (monotonic seconds)."""

    reason: str
    since: float


class SlotSource:
    """Owns the idle slots and the fork servers. All methods run in the supervisor's thread."""

    def __init__(
        self, types: TaskTypes, *, free_slots: FreeSlots, lease: RunLease, memory: SharedMemory, modules: Sequence[str],
        selector: PoolSelector,
    ) -> None:  # fmt: skip
        self.trouble: StartTrouble | None = None
        self.idle: dict[type[Slot], deque[Slot]] = {ProcessSlot: deque(), ThreadSlot: deque()}
        self._types = types
        self._free_slots = free_slots
        self._lease = lease
        self._memory = memory
        self._modules = modules
        self._selector = selector
        self._servers: list[Children] = []  # the last one is in use
        self._starting: dict[ProcessSlot, float] = {}  # since when
        self._is_closed = False
        self._restored = 1
        self._pause_s = MIN_PAUSE_S
        self._failed_at = self._next_try_at = float("-inf")

    def start(self, kind: type[Slot]) -> Slot:
        """Start a slot; a child is ready later.

        Raises:
            CannotStart: there is no memory, descriptor or thread left.
        """
        try:
            if kind is ThreadSlot:
                slot: Slot = ThreadSlot(self._lease, self._memory, self._types)
            else:
                slot = ProcessSlot(self._lease, self._memory, self._server())
                self._starting[slot] = time.monotonic()
        except (OSError, RuntimeError, MemoryError) as error:
            raise CannotStart(getattr(error, "strerror", None) or type(error).__name__) from error
        self._selector.add(slot)
        return slot

    def forget(self, slot: Slot) -> None:
        """Close a slot. If it has not ended, that ends it once it is idle."""
        self._selector.remove(slot)
        with suppress(ValueError):
            self.idle[type(slot)].remove(slot)
        if isinstance(slot, ProcessSlot):
            self._starting.pop(slot, None)
        slot.close()

    def close_idle(self) -> list[Slot]:
        """Close the idle slots, and return them."""
        closed = [slot for idle in self.idle.values() for slot in idle]
        for slot in closed:
            self.forget(slot)
        return closed

    def started(self, slot: ProcessSlot) -> None:
        """Record that a child is ready, and restore withheld slots: all, or after a failure one, then two, four etc."""
        slot.is_ready = True
        self._starting.pop(slot, None)
        if self.trouble is None:
            self._free_slots.restore(self._free_slots.total)
            return
        self._free_slots.restore(self._restored)
        self._restored *= 2
        self._next_try_at = time.monotonic()
        if not self._free_slots.withheld:
            log.info("slots_started_again")
            self.trouble = None

    def failed(self, reason: str, slot: Slot | None = None) -> None:
        """Record a failed start. Until a start succeeds, only as many slots are free as there are idle children."""
        now = time.monotonic()
        since = self._starting.pop(slot, now) if isinstance(slot, ProcessSlot) else now
        silent_s = now - self._failed_at
        if silent_s > FORGET_AFTER_S:
            self._pause_s = MIN_PAUSE_S
        elif silent_s >= self._pause_s:  # not one of several that failed together
            self._pause_s = min(MAX_PAUSE_S, 2 * self._pause_s)
        self._failed_at, self._next_try_at, self._restored = now, now + self._pause_s, 1
        if self.trouble is None or self.trouble.reason != reason:
            log.error("slot_not_started", why=reason)
        self.trouble = StartTrouble(reason, since if self.trouble is None else self.trouble.since)
        self._free_slots.withhold_beyond(len(self.idle[ProcessSlot]))

    def is_time_to_try(self, now: float) -> bool:
        """Return whether the pause after the last failed start is over, and no start is under way."""
        is_failing = self.trouble is not None and not self._is_closed
        return is_failing and not self._starting and now >= self._next_try_at

    def receive(self, server: Children) -> list[ProcessSlot]:
        """Read what a fork server reports; return the slots whose child has not been started or has ended."""
        over = server.receive()
        if server.has_ended:
            self._selector.remove_server(server)
            self._servers.remove(server)
            server.close()
            server.end(END_LIMIT_S)
        return over

    def overdue(self, now: float) -> list[ProcessSlot]:
        """Return the slots whose start takes too long. Replace a fork server that imports for too long or is stuck."""
        late = [slot for slot, since in self._starting.items() if now - since > START_LIMIT_S]
        for slot in late:
            slot.failure = slot.failure or TOO_SLOW
        for server in self._servers:
            if server.is_importing and now - server.started_at > START_LIMIT_S:
                server.kill()  # it has no children
            elif server.is_stuck(now):
                given_up = server.retire()
                for slot in given_up:
                    slot.failure = UNANSWERED
                late += [slot for slot in given_up if slot not in late]
        return late

    def retire(self) -> list[Children]:
        """Retire the fork servers, so that each ends with its last child, and start no others; return them."""
        self._is_closed = True
        for each in self._servers:
            each.retire()
        return list(self._servers)

    def _server(self) -> Children:
        current = self._servers[-1] if self._servers else None
        if current is None or current.is_retired:
            current = Children(self._memory, self._modules, files=soft_limit_at_start())
            self._servers.append(current)
            self._selector.add_server(current)
        return current
