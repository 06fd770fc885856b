"""Coarse chores, each an RQ job that rq-scheduler enqueues: bounded, idempotent, harmless when done twice."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from app.config import read_settings
from app.connections import connect_postgres
from app.ledger import repairs, workers
from workers.purging import Purging

if TYPE_CHECKING:
    from threading import Thread

    from sqlalchemy import Engine

TASKS_AT_ONCE = 1000
FORGET_WORKERS_AFTER_S = 86400.0


def purge_final_tasks() -> int:
    """Begin to remove tasks that have been final for longer than RETENTION_S; 0 while this process does so already.

    In a thread, because a worker takes no envelopes while it does a chore.
    """
    if any(each.is_alive() for each in _purging):
        return 0
    engine, older_than_s = _engine(), read_settings().retention_s
    purge = partial(repairs.purge_final, engine, older_than_s=older_than_s, limit=TASKS_AT_ONCE)
    _purging[:] = [Purging(purge, full=TASKS_AT_ONCE).begin()]
    return 1


def purge_lost_workers() -> int:
    """Forget worker processes that vanished a day ago."""
    return workers.purge(_engine(), older_than_s=FORGET_WORKERS_AFTER_S)


CHORES = (purge_final_tasks, purge_lost_workers)


@cache
def _engine() -> Engine:
    return connect_postgres(read_settings(), name="housekeeping", pool=1)


_purging: list[Thread] = []
