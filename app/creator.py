"""Group commit: one statement creates the tasks of concurrent requests."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, TimeoutError as WaitTimeout
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from app.batching import Batcher
from app.errors import LedgerUnavailable
from app.task import NewTask, Task

if TYPE_CHECKING:
    from app.operations import Operations

ANSWER_TIMEOUT_S = 20.0
GATHER_S = 0.001

Promise = Future[Task] | asyncio.Future[Task]


class TaskCreator(Batcher[tuple[NewTask, Promise]]):
    """Creates tasks for threads and for event loops, one batch at a time.

    Requests that arrive while a batch is written go into the next one. A request that is cancelled before its batch
    begins is left out.
    """

    name = "creator"
    max_items = 256

    def __init__(self, operations: Operations) -> None:
        super().__init__()
        self._operations = operations

    def create(self, new: NewTask) -> Task:
        """Create one task; return it when it is committed.

        Raises:
            InvalidInput: Postgres refused its values.
            LedgerUnavailable: Postgres did not answer in time; whether the task was created is unknown.
        """
        promise = self.submit(new)
        try:
            return promise.result(timeout=ANSWER_TIMEOUT_S)
        except WaitTimeout:
            promise.cancel()  # leaves the request out if its batch has not begun
            raise LedgerUnavailable from None

    def submit(self, new: NewTask) -> Future[Task]:
        """Queue one task. The future receives it, or the exceptions of `create`."""
        promise: Future[Task] = Future()
        self.add([(new, promise)])
        return promise

    def submit_from_loop(self, new: NewTask) -> asyncio.Future[Task]:
        """Queue one task, with a future of the running event loop."""
        loop = asyncio.get_running_loop()
        promise: asyncio.Future[Task] = loop.create_future()
        # Queue it after the requests that are ready in this loop, so that all go into the same batch.
        loop.call_soon(self._queue, new, promise)
        return promise

    def _queue(self, new: NewTask, promise: asyncio.Future[Task]) -> None:
        try:
            self.add([(new, promise)])
        except RuntimeError as error:  # no thread: without an answer the request would wait for ever
            promise.set_exception(error)

    def gather_s(self) -> float:
        """Wait GATHER_S if fewer requests wait than the last batch had.

        Clients that were answered together send their next requests nearly together. Without the pause the first would
        be written alone, and a statement for one task takes as long as one for ten. A single client waits once, after
        others have left.
        """
        return GATHER_S if len(self._waiting) < self._last_size else 0.0

    def flush(self, items: list[tuple[NewTask, Promise]]) -> None:
        """Create the tasks and answer each request. Every request receives an exception of the whole batch."""
        requests = [(new, promise) for new, promise in items if not promise.cancelled()]
        if not requests:
            return
        answers: Sequence[Task | Exception]
        try:
            answers = self._operations.create([new for new, _ in requests])
        except Exception as trouble:  # noqa: BLE001  # each request must be answered
            answers = [trouble] * len(requests)
        of_loops: defaultdict[asyncio.AbstractEventLoop | None, list[tuple[Promise, Task | Exception]]]
        of_loops = defaultdict(list)
        for (_, promise), answer in zip(requests, answers, strict=True):
            of_loops[None if isinstance(promise, Future) else promise.get_loop()].append((promise, answer))
        _resolve(of_loops.pop(None, ()))
        for loop, of_loop in of_loops.items():  # each is woken once, because each wake-up is expensive
            with suppress(RuntimeError):  # the loop is closed, so nothing waits for the answer
                cast("asyncio.AbstractEventLoop", loop).call_soon_threadsafe(_resolve, of_loop)


def _resolve(answers: Iterable[tuple[Promise, Task | Exception]]) -> None:
    """Answer requests of threads, or those of one event loop on this loop."""
    for promise, answer in answers:
        # Cancelled meanwhile. A request of a thread cannot be cancelled from now on.
        if promise.done() or (isinstance(promise, Future) and not promise.set_running_or_notify_cancel()):
            continue
        if isinstance(answer, Exception):
            promise.set_exception(answer)
        else:
            promise.set_result(answer)
