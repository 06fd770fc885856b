"""The worker processes: their heartbeats, and the rows they leave behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.ledger.statements import execute, rows, scalars

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker process as the ledger knows it; `silent_s` since its last heartbeat."""

    id: str
    queue: str
    slots: int
    silent_s: float


def heartbeat(engine: Engine, worker_id: str, *, queue: str, slots: int) -> list[str]:
    """Report that this worker lives; the ids of the tasks it runs that are to be cancelled."""
    return scalars(engine, "heartbeat", {"id": worker_id, "queue": queue, "slots": slots})


def retire(engine: Engine, worker_id: str) -> None:
    """Take a stopped worker off the list; whatever it still held is rescued at the next sweep."""
    execute(engine, "retire_worker", {"id": worker_id})


def known(engine: Engine) -> list[WorkerRow]:
    """All workers with a row, alive or not."""
    return rows(engine, "workers", make=WorkerRow)


def purge(engine: Engine, *, older_than_s: float) -> int:
    """Forget workers silent for so long; how many."""
    return execute(engine, "purge_workers", {"older_than_s": older_than_s})
