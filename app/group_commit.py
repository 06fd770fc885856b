"""Requests that wait together are written together: one insert, one announcement."""

from __future__ import annotations

import threading
from concurrent.futures import Future, TimeoutError as WaitTimeout
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from app.errors import LedgerAway, Refusal

if TYPE_CHECKING:
    from app.operations import Operations
    from app.task import NewTask, Task

MOST_AT_ONCE = 256
LONGEST_WAIT_S = 20.0


class GroupCommit:
    """One flusher thread per process. It takes whatever waits, without waiting for more.

    The thread starts with the first task, so after any fork.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._inbox: SimpleQueue[tuple[NewTask, Future[Task]]] = SimpleQueue()
        self._starting = threading.Lock()
        self._flusher: threading.Thread | None = None

    def create(self, new: NewTask) -> Task:
        """Keep one task; returns once it is committed.

        Raises:
            InvalidInput: Postgres refused its values.
            LedgerAway: Postgres did not answer in time; whether the task is kept is unknown.
        """
        self._ensure_flusher()
        kept: Future[Task] = Future()
        self._inbox.put((new, kept))
        try:
            return kept.result(timeout=LONGEST_WAIT_S)
        except WaitTimeout:
            kept.cancel()  # if it was not sent yet, it never will be
            raise LedgerAway from None

    def _ensure_flusher(self) -> None:
        if self._flusher is None:
            with self._starting:
                if self._flusher is None:
                    self._flusher = threading.Thread(target=self._flush_forever, name="group-commit", daemon=True)
                    self._flusher.start()

    def _flush_forever(self) -> None:
        while True:
            waiting = [self._inbox.get()]
            while len(waiting) < MOST_AT_ONCE:
                try:
                    waiting.append(self._inbox.get_nowait())
                except Empty:
                    break
            self._flush(waiting)

    def _flush(self, taken: list[tuple[NewTask, Future[Task]]]) -> None:
        waiting = [(new, kept) for new, kept in taken if kept.set_running_or_notify_cancel()]
        if not waiting:
            return
        try:
            answers = self._operations.create([new for new, _ in waiting])
        except Exception as trouble:  # noqa: BLE001  # whatever it was, each waiting request must hear of it
            for _, kept in waiting:
                kept.set_exception(trouble)
            return
        for (_, kept), answer in zip(waiting, answers, strict=True):
            if isinstance(answer, Refusal):
                kept.set_exception(answer)
            else:
                kept.set_result(answer)
