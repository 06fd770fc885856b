"""A bug: silence is the difference of two instants of Postgres' clock, which may be set."""

from __future__ import annotations

from app.ledger import statements
from tests.faults.mutants.seeding import put_in, swap
from tests.faults.plan import QUICK
from workers import sweeper

IS_LOST = f"""task.state = 'running' AND NOT EXISTS (
    SELECT FROM workers
    WHERE workers.id = task.worker_id
      AND heartbeat_at > clock_timestamp() - interval '{QUICK["WORKER_DEAD_AFTER_S"]} s')"""


def seed() -> None:
    """Compare heartbeats with the clock. Sweep often, so that a sweep comes between a clock step and a heartbeat."""
    lost, rescue = statements.statement("lost"), statements.statement("rescue")
    watched = lost.partition("WHERE ")[2].partition("\nORDER")[0]
    assert watched in rescue, "rescue.sql has changed: its condition is not that of lost.sql"
    swap(sweeper, "SWEEP_INTERVAL_S", 0.0)
    put_in(lost=lost.replace(watched, IS_LOST), rescue=rescue.replace(watched, IS_LOST))
