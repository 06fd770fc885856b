"""How many slots are free, and waiting for one."""

from __future__ import annotations

import threading


class Room:
    """A count that several threads take from and give back to."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._changed = threading.Condition()

    def wait(self, timeout_s: float) -> int:
        """How many are free, as soon as one is; 0 after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0, timeout_s)
            return self._free

    def wait_until_all_free(self, timeout_s: float) -> bool:
        """True as soon as all are free."""
        with self._changed:
            return self._changed.wait_for(lambda: self._free == self.count, timeout_s)

    def take(self, most: int) -> int:
        """Take up to `most`; how many there were."""
        with self._changed:
            taken = min(most, self._free)
            self._free -= taken
            return taken

    def give_back(self, taken: int) -> None:
        """Make some free again."""
        with self._changed:
            self._free += taken
            self._changed.notify_all()

    def give_back_later(self, taken: int, seconds: float) -> None:
        """Make some free again after so long."""
        later = threading.Timer(seconds, self.give_back, [taken])
        later.daemon = True
        later.start()
