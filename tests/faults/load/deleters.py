"""Delete tasks at given instants."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.load.request_log import RequestLog

THREADS = 6
POLL_INTERVAL_S = 0.005


class Deleters:
    """A thread that watches the clock, and a pool of threads that send requests."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._heap: list[tuple[float, str]] = []
        self._lock = threading.Lock()
        self._stopping = False
        self._pool = ThreadPoolExecutor(THREADS)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def delete(self, task_id: str, *, at: float) -> None:
        with self._lock:
            heappush(self._heap, (at, task_id))

    def stop(self) -> None:
        """Return when all deletions have been sent and answered, or have failed."""
        self._stopping = True
        self._thread.join()
        self._pool.shutdown()

    def _watch(self) -> None:
        while not self._stopping or self._heap:
            with self._lock:
                while self._heap and self._heap[0][0] <= time.time():
                    _, task_id = heappop(self._heap)
                    self._pool.submit(self._log.send, "delete", f"/tasks/{task_id}", method="DELETE", task_id=task_id)
            time.sleep(POLL_INTERVAL_S)
