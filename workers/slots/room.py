"""How many slots are free, and waiting for one."""

from __future__ import annotations

import threading


class Room:
    """A count that several threads take from and give back to; `changed` guards it, and is notified of each change."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.free = count
        self.changed = threading.Condition()

    def wait_until_all_free(self, timeout_s: float) -> bool:
        """True as soon as all are free."""
        with self.changed:
            return self.changed.wait_for(lambda: self.free == self.count, timeout_s)

    def take(self, most: int) -> int:
        """Take up to `most`; how many there were."""
        with self.changed:
            taken = min(most, self.free)
            self.free -= taken
            return taken

    def give_back(self, taken: int) -> None:
        """Make some free again."""
        with self.changed:
            self.free += taken
            self.changed.notify_all()

    def give_back_later(self, taken: int, seconds: float) -> None:
        """Make some free again after so long."""
        later = threading.Timer(seconds, self.give_back, [taken])
        later.daemon = True
        later.start()
