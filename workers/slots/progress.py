"""How far a slot has come with its chunk: two numbers in memory that it shares with its supervisor."""

from __future__ import annotations

import time
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctypes import c_double, c_longlong


class Progress:
    """Written by the slot just before a task begins, read by the supervisor: no message, and a kill loses nothing."""

    def __init__(self) -> None:
        context = get_context("forkserver")
        self._begun: c_longlong = context.RawValue("q", 0)
        self._since: c_double = context.RawValue("d", 0.0)

    @property
    def begun(self) -> int:
        """How many tasks of the chunk have begun."""
        return int(self._begun.value)

    def look(self) -> tuple[int, float]:
        """How many have begun, and when the last of them did, in monotonic seconds; the two belong together."""
        while True:
            begun, since = int(self._begun.value), float(self._since.value)
            if begun == self._begun.value:
                return begun, since

    def reset(self, at: float) -> None:
        """A new chunk is given."""
        self._begun.value, self._since.value = 0, at

    def begin(self, index: int) -> None:
        """The code of this task begins now. The time first: who sees the number sees the time that goes with it."""
        self._since.value = time.monotonic()
        self._begun.value = index + 1
