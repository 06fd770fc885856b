"""Waits for what slots say, for their death, and to be called."""

from __future__ import annotations

import os
import selectors
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.slots.slot import Slot

GATHER_S = 0.004  # of a stream of short tasks: one look for all that ended meanwhile


class Attention:
    """Two selectors: one for everything, one for what cannot wait while messages stream in.

    A slot that runs short tasks says something for each of them. Waking for every message costs more than the task;
    so in a stream they are read together, after a moment. A call, or a death, ends the moment.
    """

    def __init__(self) -> None:
        self._all = selectors.DefaultSelector()
        self._urgent = selectors.DefaultSelector()
        self._called, self._call = os.pipe()
        os.set_blocking(self._called, False)
        for each in (self._all, self._urgent):
            each.register(self._called, selectors.EVENT_READ, None)

    def call(self) -> None:
        """From another thread: end the wait."""
        os.write(self._call, b".")

    def add(self, slot: Slot) -> None:
        """Listen to a slot."""
        for fd in slot.watched:
            self._all.register(fd, selectors.EVENT_READ, slot)
        if slot.sentinel is not None:
            self._urgent.register(slot.sentinel, selectors.EVENT_READ, slot)

    def remove(self, slot: Slot) -> None:
        """Listen no more."""
        for fd in slot.watched:
            with suppress(KeyError):  # it has hung up
                self._all.unregister(fd)
        if slot.sentinel is not None:
            with suppress(KeyError):
                self._urgent.unregister(slot.sentinel)

    def remove_events(self, slot: Slot) -> None:
        """It closed its end: only its death is listened for."""
        with suppress(KeyError):  # heard before
            self._all.unregister(slot.watched[0])

    def wait(self, timeout_s: float | None, *, in_a_stream: bool) -> list[tuple[Slot, int]]:
        """The slots that there is something of, each with the file descriptor that tells."""
        if in_a_stream:
            self._urgent.select(GATHER_S)
        ready = self._all.select(0 if in_a_stream else timeout_s)
        with suppress(BlockingIOError):
            os.read(self._called, 4096)
        return [(key.data, key.fd) for key, _ in ready if key.data is not None]
