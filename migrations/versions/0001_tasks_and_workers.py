"""Tasks and the worker processes that run them."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

# Wide columns last, eight-byte columns first: no padding. The bounds on execute_at keep every
# stored instant printable in any zone, so that one bad row never breaks a list.
TASKS = """
CREATE TABLE tasks (
    execute_at        timestamptz      NOT NULL,
    created_at        timestamptz      NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at   timestamptz,
    started_at        timestamptz,
    finished_at       timestamptz,
    deleted_at        timestamptz,
    lease_expires_at  timestamptz,
    timeout_s         double precision NOT NULL,
    lag_ms            double precision,
    id                uuid             PRIMARY KEY,
    claim_token       uuid,
    attempt           integer          NOT NULL DEFAULT 0,
    max_attempts      integer          NOT NULL,
    state             text             NOT NULL DEFAULT 'scheduled',
    type              text             NOT NULL,
    payload           jsonb            NOT NULL,
    worker_id         text,
    result            jsonb,
    error             jsonb,
    CONSTRAINT state_is_known CHECK
        (state IN ('scheduled', 'running', 'succeeded', 'failed', 'cancelled', 'deleted')),
    CONSTRAINT execute_at_is_sane CHECK
        (execute_at >= '1970-01-01T00:00:00Z' AND execute_at < '9999-12-31T00:00:00Z'),
    CONSTRAINT timeout_is_sane CHECK (timeout_s > 0 AND timeout_s <= 86400),
    CONSTRAINT attempts_are_sane CHECK (attempt >= 0 AND attempt <= max_attempts AND max_attempts <= 100),
    CONSTRAINT running_is_claimed CHECK
        (state <> 'running' OR (claim_token IS NOT NULL AND worker_id IS NOT NULL AND started_at IS NOT NULL)),
    CONSTRAINT finished_has_its_instant CHECK
        (state NOT IN ('succeeded', 'failed') OR finished_at IS NOT NULL),
    CONSTRAINT deleted_never_ran CHECK
        ((state = 'deleted') = (deleted_at IS NOT NULL) AND (state <> 'deleted' OR attempt = 0))
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)
"""

# For due tasks, tasks of a dead worker, the order of lists, and retention of deleted tasks. No other index, because
# each one is written three times in a task's life.
INDEXES = (
    "CREATE INDEX tasks_due ON tasks (COALESCE(next_attempt_at, execute_at), id) WHERE state = 'scheduled'",
    "CREATE INDEX tasks_running ON tasks (worker_id) WHERE state = 'running'",
    "CREATE INDEX tasks_by_time ON tasks (execute_at, id)",
    "CREATE INDEX tasks_deleted ON tasks (deleted_at) WHERE state = 'deleted'",
)

WORKERS = """
CREATE TABLE workers (
    id            text        PRIMARY KEY,
    queue         text        NOT NULL,
    slots         integer     NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50)
"""

# The WHEN clause is evaluated without a call of the function, so it costs claim and finish almost nothing.
FINAL_IS_FINAL = """
CREATE FUNCTION refuse_leaving_a_final_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'task % is %, which is final', OLD.id, OLD.state USING ERRCODE = 'check_violation';
END $$
"""
TRIGGER = """
CREATE TRIGGER final_states_are_final BEFORE UPDATE ON tasks FOR EACH ROW
WHEN (OLD.state IN ('succeeded', 'failed', 'cancelled', 'deleted'))
EXECUTE FUNCTION refuse_leaving_a_final_state()
"""


def upgrade() -> None:
    """Create both tables, the indexes, and the guard of final states."""
    for statement in (TASKS, *INDEXES, WORKERS, FINAL_IS_FINAL, TRIGGER):
        op.execute(statement)
