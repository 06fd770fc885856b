"""The rows of worker processes: heartbeats, and removal of lost workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.ledger.statements import execute, rows, scalars

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker process; `silent_s` is the time since its last heartbeat.

    `trouble` is why it runs no or fewer tasks, as reported by itself; None without a fault.
    """

    id: str
    queue: str
    slots: int
    silent_s: float
    trouble: str | None = None


def heartbeat(engine: Engine, worker_id: str, *, queue: str, slots: int, trouble: str | None = None) -> list[str]:
    """Write a heartbeat of this worker and its trouble. Return the ids of its running tasks that must be cancelled."""
    return scalars(engine, "heartbeat", {"id": worker_id, "queue": queue, "slots": slots, "trouble": trouble})


def retire(engine: Engine, worker_id: str) -> None:
    """Delete the row of a stopped worker; tasks that it still holds are rescued by the next sweep."""
    execute(engine, "retire_worker", {"id": worker_id})


def known(engine: Engine) -> list[WorkerRow]:
    """Return all workers that have a row, alive or not."""
    return rows(engine, "workers", make=WorkerRow)


def heartbeats(engine: Engine) -> dict[str, datetime]:
    """Return the last heartbeat of each worker."""
    return dict(rows(engine, "heartbeats", make=_heartbeat))


def purge(engine: Engine, silent: Mapping[str, datetime], *, older_than_s: float) -> int:
    """Delete the rows of those workers whose heartbeat is unchanged and older than this; return their number."""
    watched = {"ids": list(silent), "heartbeats": list(silent.values())}
    return execute(engine, "purge_workers", watched | {"older_than_s": older_than_s})


def _heartbeat(*, id: str, heartbeat_at: datetime) -> tuple[str, datetime]:  # noqa: A002  # the name of the column
    return id, heartbeat_at
