"""The rows of worker processes: heartbeats, and removal of lost workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.ledger.statements import execute, rows, scalars

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker process; `silent_s` is the time since its last heartbeat."""

    id: str
    queue: str
    slots: int
    silent_s: float


def heartbeat(engine: Engine, worker_id: str, *, queue: str, slots: int) -> list[str]:
    """Report that this worker lives; return the ids of its running tasks that are to be cancelled."""
    return scalars(engine, "heartbeat", {"id": worker_id, "queue": queue, "slots": slots})


def retire(engine: Engine, worker_id: str) -> None:
    """Delete the row of a stopped worker; tasks that it still holds are rescued by the next sweep."""
    execute(engine, "retire_worker", {"id": worker_id})


def known(engine: Engine) -> list[WorkerRow]:
    """Return all workers that have a row, alive or not."""
    return rows(engine, "workers", make=WorkerRow)


def purge(engine: Engine, *, older_than_s: float) -> int:
    """Delete the rows of workers without a heartbeat for that long; return how many."""
    return execute(engine, "purge_workers", {"older_than_s": older_than_s})
