"""How many tasks a key may have waiting, counted anew every two seconds by each web process."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from app.api.access.caller import caller
from app.errors import TooManyPending

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

COUNT_EVERY_S = 2.0


class Pending:
    """Between two counts, what this process creates is added.

    So a key may get somewhat beyond its limit: by what other processes created for it within two seconds.
    """

    def __init__(self, count: Callable[[UUID, int], int], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._known: dict[UUID, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def allow(self, more: int = 1) -> None:
        """Allow the caller so many tasks more.

        Raises:
            TooManyPending, LedgerAway.
        """
        found = caller()
        if found is None or found.key.max_pending is None:
            return
        self._refresh(found.key.id, found.key.max_pending)
        with self._lock:
            counted_at, number = self._known[found.key.id]
            if number + more > found.key.max_pending:
                raise TooManyPending(pending=number, max_pending=found.key.max_pending)
            self._known[found.key.id] = counted_at, number + more

    def _refresh(self, key_id: UUID, most: int) -> None:
        counted_at, _ = self._known.get(key_id, (float("-inf"), 0))
        now = self._clock()
        if now - counted_at >= COUNT_EVERY_S:
            number = self._count(key_id, most)
            with self._lock:
                self._known[key_id] = now, number
