"""Selector over the event pipes of all slots, the sentinels of their processes, and a self-pipe."""

from __future__ import annotations

import os
import selectors
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.pool.slot import Slot

GATHER_S = 0.004  # while slots run short tasks, events of this time are read together


class PoolSelector:
    """Two selectors: one for all descriptors, one without event pipes for events that must not be delayed.

    A slot that runs short tasks writes an event for each of them, and waking up for every event costs more than the
    task. So events are read together after GATHER_S. A call of `wake` or the death of a process ends that pause.
    """

    def __init__(self) -> None:
        self._all = selectors.DefaultSelector()
        self._urgent = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        for each in (self._all, self._urgent):
            each.register(self._woken, selectors.EVENT_READ, None)

    def wake(self) -> None:
        """End the wait. May be called from any thread."""
        os.write(self._wake, b".")

    def add(self, slot: Slot) -> None:
        for fd in slot.watched:
            self._all.register(fd, selectors.EVENT_READ, slot)
        if slot.sentinel is not None:
            self._urgent.register(slot.sentinel, selectors.EVENT_READ, slot)

    def remove(self, slot: Slot) -> None:
        for fd in slot.watched:
            with suppress(KeyError):  # removed by `remove_events`
                self._all.unregister(fd)
        if slot.sentinel is not None:
            with suppress(KeyError):
                self._urgent.unregister(slot.sentinel)

    def remove_events(self, slot: Slot) -> None:
        """Wait for the death of this slot only; it has closed its event pipe."""
        with suppress(KeyError):  # removed before
            self._all.unregister(slot.watched[0])

    def wait(self, timeout_s: float | None, *, in_a_stream: bool) -> list[tuple[Slot, int]]:
        """Wait; return the slots that have something to read, each with its readable file descriptor."""
        if in_a_stream:
            self._urgent.select(GATHER_S)
        ready = self._all.select(0 if in_a_stream else timeout_s)
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)
        return [(key.data, key.fd) for key, _ in ready if key.data is not None]
