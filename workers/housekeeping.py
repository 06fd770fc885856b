"""Coarse chores, each an RQ job that rq-scheduler enqueues: bounded, idempotent, harmless when done twice."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

import structlog

from app.config import read_settings
from app.connections import connect_postgres
from app.ledger import retention, workers

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = structlog.get_logger()

TASKS_AT_ONCE = 1000
MOMENT_S = 0.5
FORGET_WORKERS_AFTER_S = 86400.0


def purge_final_tasks() -> int:
    """Remove tasks that have been final for longer than RETENTION_S; bounded batches for a moment, the rest next time.

    Only for a moment, because a worker takes no envelopes while it does a chore.
    """
    engine, older_than_s = _engine(), read_settings().retention_s
    until, removed, batch = time.monotonic() + MOMENT_S, 0, TASKS_AT_ONCE
    while batch == TASKS_AT_ONCE and time.monotonic() < until:
        batch = retention.purge_final(engine, older_than_s=older_than_s, limit=TASKS_AT_ONCE)
        removed += batch
    if removed:
        log.info("final_tasks_purged", count=removed)
    return removed


def purge_lost_workers() -> int:
    """Forget worker processes that vanished a day ago."""
    return workers.purge(_engine(), older_than_s=FORGET_WORKERS_AFTER_S)


CHORES = (purge_final_tasks, purge_lost_workers)


@cache
def _engine() -> Engine:
    return connect_postgres(read_settings(), name="housekeeping", pool=1)
