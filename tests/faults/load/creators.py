"""Creates tasks at a steady pace; after an outage it catches up."""

from __future__ import annotations

import itertools
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque

    from tests.faults.load.asking import Book
    from tests.faults.load.deleters import Deleters
    from tests.faults.load.work import Work

THREADS = 12
LOOK_EVERY_S = 0.02
AFTER_A_REFUSAL_S = 0.1


class Creators:
    """Threads that ask until `wanted` tasks were answered with 201; so many a second, on average."""

    def __init__(self, book: Book, work: Work, deleters: Deleters, recent: deque[tuple[str, str]]) -> None:
        self._recent = recent
        self.kept = 0
        self._book = book
        self._work = work
        self._deleters = deleters
        self._serials = itertools.count()
        self._lock = threading.Lock()
        self._turns: SimpleQueue[bool] = SimpleQueue()
        self._asking = 0
        self._threads = [threading.Thread(target=self._create_forever, daemon=True) for _ in range(THREADS)]
        for each in self._threads:
            each.start()

    def create(self, wanted: int, *, over_s: float, patience_s: float) -> None:
        """So many more, evenly over so long; it takes longer when answers fail, by `patience_s` at most."""
        began, target, before = time.monotonic(), self.kept + wanted, self.kept
        while self.kept < target and (spent := time.monotonic() - began) < over_s + patience_s:
            due = min(target, before + int(wanted * spent / over_s) + 1)
            with self._lock:
                room = min(due - self.kept - self._asking, THREADS * 2 - self._asking)
                self._asking += max(0, room)
            for _ in range(room):
                self._turns.put(True)
            time.sleep(LOOK_EVERY_S)

    def stop(self) -> None:
        """What was asked is answered, or given up, when this returns."""
        for _ in self._threads:
            self._turns.put(False)
        for each in self._threads:
            each.join()

    def _create_forever(self) -> None:
        while self._turns.get():
            created = self._create(next(self._serials))
            with self._lock:
                self._asking -= 1
                self.kept += created
            if not created:
                time.sleep(AFTER_A_REFUSAL_S)

    def _create(self, serial: int) -> bool:
        wanted = self._work.draw(serial, time.time())
        answer = self._book.ask("create", "/tasks", body=wanted.body)
        if answer is None or answer.status_code != 201:
            return False
        task_id = answer.json()["id"]
        self._recent.append((wanted.body["type"], task_id))
        if wanted.delete_at is not None:
            self._deleters.delete(task_id, at=wanted.delete_at)
        return True
