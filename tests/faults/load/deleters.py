"""Deletes tasks at chosen instants."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.load.asking import Book

THREADS = 6
LOOK_EVERY_S = 0.005


class Deleters:
    """A thread that watches the clock, and some that ask."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._heap: list[tuple[float, str]] = []
        self._lock = threading.Lock()
        self._stopping = False
        self._pool = ThreadPoolExecutor(THREADS)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def delete(self, task_id: str, *, at: float) -> None:
        """Delete this task at that instant."""
        with self._lock:
            heappush(self._heap, (at, task_id))

    def stop(self) -> None:
        """Everything was asked, and answered or given up, when this returns."""
        self._stopping = True
        self._thread.join()
        self._pool.shutdown()

    def _watch(self) -> None:
        while not self._stopping or self._heap:
            with self._lock:
                while self._heap and self._heap[0][0] <= time.time():
                    _, task_id = heappop(self._heap)
                    self._pool.submit(self._book.ask, "delete", f"/tasks/{task_id}", method="DELETE", task_id=task_id)
            time.sleep(LOOK_EVERY_S)
