"""The batcher: collects items from any thread and flushes them together from one thread."""

from __future__ import annotations

import atexit
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

from app.loop import MAX_BACKOFF_S, repeat

T = TypeVar("T")
IDLE_S = 1.0  # a loop shows with each step that it is alive, so it makes one even if there is nothing to write


class Batcher(ABC, Generic[T]):
    """A buffer of items and one thread that flushes them in order.

    The thread starts with the first item, so that it starts after any fork. If a flush raises, its items are kept and
    flushed again, so `flush` must be idempotent.
    """

    name: str
    max_items: int | None = None  # of one batch
    max_backoff_s = MAX_BACKOFF_S
    survives_errors = True  # see `loop.repeat`
    is_watched = True
    exit_timeout_s: float | None = None  # close when the interpreter ends, within this time

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[T] = []
        self._in_flight = 0
        self._last_size = 0
        self._flushed_at = float("-inf")
        self._closing = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def flush(self, items: list[T]) -> int | None:
        """Write the first items; return how many were written (None: all).

        It may replace the contents of the list by fewer items that have the same effect.
        """

    def gather_s(self) -> float:
        """Return how long to wait for more items before a flush, in seconds."""
        return 0.0

    def add(self, items: Iterable[T]) -> None:
        """Queue items and return at once.

        Raises:
            RuntimeError: the thread cannot be started; nothing is queued.
        """
        with self._changed:
            if (self._thread is None or not self._thread.is_alive()) and not self._closing.is_set():
                self.start()
            self._waiting.extend(items)
            self._changed.notify_all()

    def waiting(self) -> list[T]:
        """Return a copy of the items that are not in a batch."""
        with self._changed:
            return self._waiting.copy()

    def start(self) -> None:
        """Start the thread; one that died is replaced."""
        thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        thread.start()
        if self._thread is None and self.exit_timeout_s is not None:
            atexit.register(self.close, self.exit_timeout_s)
        self._thread = thread

    def step(self) -> bool:
        """Flush one batch, if there is one; return whether a full batch is left. Raises the errors of `flush`."""
        with self._changed:
            items = self._waiting[: self.max_items]
            del self._waiting[: self.max_items]
            taken = len(items)
            self._in_flight += taken
        try:
            del items[: self.flush(items) if items else None]
        finally:
            with self._changed:
                self._waiting[:0] = items
                self._in_flight -= taken
                if taken:
                    self._last_size, self._flushed_at = taken, time.monotonic()
                if self._closing.is_set() and not self._waiting:
                    self._stop.set()
                self._changed.notify_all()
        return self.max_items is not None and len(self._waiting) >= self.max_items

    def wait(self) -> None:
        """Wait for an item, then for more items during `gather_s`. Closing ends the wait, and so does IDLE_S."""
        with self._changed:
            has_items = self._changed.wait_for(lambda: self._waiting or self._closing.is_set(), IDLE_S)
            pause_s = self.gather_s() if has_items else 0.0
        if pause_s:
            self._closing.wait(pause_s)

    def drain(self, timeout_s: float) -> bool:
        """Wait until all items are flushed; return False after the timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._in_flight, timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Flush all items and end the thread. Return False after the timeout; the thread then continues."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
        return not self._waiting and not self._in_flight

    def _run(self) -> None:
        self.wait()
        repeat(
            self.step, wait=self.wait, stop=self._stop, name=self.name, max_backoff_s=self.max_backoff_s,
            survives_errors=self.survives_errors, is_watched=self.is_watched,
        )  # fmt: skip
