"""Group commit for an event loop: what comes together is written together."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.errors import Refusal
    from app.operations import Operations
    from app.task import NewTask, Task

MOST_AT_ONCE = 256
GATHER_S = 0.001


class LoopCommit:
    """One statement at a time, in a thread of its own. What came while it was under way goes into the next.

    Clients that were answered together ask again nearly together. The first of them would be written alone, and a
    statement for one task takes as long as for ten: so where fewer wait than were written last, GATHER_S passes first.
    A client that is alone pays that once, after others have left.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loop-commit")
        self._waiting: list[tuple[NewTask, asyncio.Future[Task]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._wrote = 0

    async def create(self, new: NewTask) -> Task:
        """Keep one task; returns once it is committed.

        Raises:
            InvalidInput: Postgres refused its values.
            LedgerAway: Postgres did not answer in time; whether the task is kept is unknown.
        """
        kept: asyncio.Future[Task] = asyncio.get_running_loop().create_future()
        self._waiting.append((new, kept))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await kept

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            if len(self._waiting) < self._wrote:
                await asyncio.sleep(GATHER_S)
            taken, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            self._wrote = len(taken)
            # Who has gone meanwhile is not written; whoever goes from now on is.
            taken = [(new, kept) for new, kept in taken if not kept.done()]
            if not taken:
                continue
            try:
                answers = await loop.run_in_executor(self._thread, self._operations.create, [new for new, _ in taken])
            except Exception as trouble:  # noqa: BLE001  # whatever it was, each waiting request must hear of it
                answers = [trouble] * len(taken)  # type: ignore[list-item]
            for (_, kept), answer in zip(taken, answers, strict=True):
                _tell(kept, answer)
        self._writing = None


def _tell(kept: asyncio.Future[Task], answer: Task | Refusal | Exception) -> None:
    if kept.done():
        return
    if isinstance(answer, Exception):
        kept.set_exception(answer)
    else:
        kept.set_result(answer)
