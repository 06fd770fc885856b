"""Selector over the event pipes of all slots, the connections to fork servers, and a self-pipe."""

from __future__ import annotations

import os
import selectors
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.pool.children import Children
    from workers.pool.slot import Slot

GATHER_S = 0.004  # while slots run short tasks, events of this time are read together


class PoolSelector:
    """Two selectors: one for all descriptors, one without event pipes for events that must not be delayed.

    A slot that runs short tasks writes an event for each of them, and waking up for every event costs more than the
    task. So events are read together after GATHER_S. A call of `wake` or the end of a child ends that pause.
    """

    def __init__(self) -> None:
        self._all = selectors.DefaultSelector()
        self._urgent = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()
        for fd in (self._woken, self._wake):
            os.set_blocking(fd, False)
        for each in (self._all, self._urgent):
            each.register(self._woken, selectors.EVENT_READ, None)

    def wake(self) -> None:
        """End the wait. May be called from any thread."""
        with suppress(BlockingIOError):  # the pipe is full, so the wait ends anyway
            os.write(self._wake, b".")

    def add(self, slot: Slot) -> None:
        self._all.register(slot.events_fd, selectors.EVENT_READ, slot)

    def remove(self, slot: Slot) -> None:
        """Stop watching this slot. May be repeated."""
        with suppress(KeyError):
            self._all.unregister(slot.events_fd)

    def add_server(self, server: Children) -> None:
        for each in (self._all, self._urgent):
            each.register(server, selectors.EVENT_READ, server)

    def remove_server(self, server: Children) -> None:
        for each in (self._all, self._urgent):
            each.unregister(server)

    def wait(self, timeout_s: float, *, in_a_stream: bool) -> list[Slot | Children]:
        """Wait; return the slots and the fork servers that have something to read."""
        if in_a_stream:
            self._urgent.select(GATHER_S)
        ready = self._all.select(0 if in_a_stream else timeout_s)
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)
        return [key.data for key, _ in ready if key.data is not None]
