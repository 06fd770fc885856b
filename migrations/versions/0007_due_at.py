"""A column for the due time of a task, cancel requests for running tasks, and retries of failed and cancelled tasks."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
FULL_STOP = "it rewrites the table of tasks under a lock, about a minute for ten million."

# The table is rewritten under a lock: about a minute for ten million tasks. Generated, so that no statement can forget
# it: measured beside a column that the statements write, docs/performance.md has the figures.
COLUMNS = """
ALTER TABLE tasks
    ADD COLUMN due_at timestamptz NOT NULL GENERATED ALWAYS AS (coalesce(next_attempt_at, execute_at)) STORED,
    ADD COLUMN cancel_requested_at timestamptz
"""
INDEXES = (
    "CREATE INDEX tasks_due ON tasks (type, due_at, id) WHERE state = 'scheduled'",
    # For heartbeats. It has an entry only for the seconds between a cancel request and the end of the task.
    ("CREATE INDEX tasks_to_cancel ON tasks (worker_id) WHERE state = 'running' AND cancel_requested_at IS NOT NULL"),
)

# The moves that docs/states.md draws, and no other. The condition is evaluated without a call of the function, so it
# costs claim and finish almost nothing. A failed or cancelled task is scheduled again only with more attempts than it
# has made, so that an id and an attempt always name one run.
REFUSE = """
CREATE FUNCTION refuse_state_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('succeeded', 'failed', 'cancelled', 'deleted') THEN
        RAISE EXCEPTION 'task % is %, which is final', OLD.id, OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RAISE EXCEPTION 'task % cannot go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
END $$
"""
TRIGGER = """
CREATE TRIGGER states_change_as_drawn BEFORE UPDATE ON tasks FOR EACH ROW
WHEN (NOT (OLD.state = 'running' AND NEW.state <> 'deleted'
           OR OLD.state = 'scheduled' AND NEW.state IN ('scheduled', 'running', 'cancelled', 'deleted')
           OR OLD.state IN ('failed', 'cancelled') AND NEW.state = 'scheduled'
              AND NEW.attempt = OLD.attempt AND NEW.max_attempts > OLD.attempt))
EXECUTE FUNCTION refuse_state_change()
"""

# As in 0005, with the column.
WAITING_TYPES = """
CREATE OR REPLACE FUNCTION waiting_types() RETURNS TABLE (type text, first_at timestamptz)
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
WITH RECURSIVE present AS (
    (SELECT tasks.type, due_at
     FROM tasks
     WHERE state = 'scheduled'
     ORDER BY tasks.type, due_at
     LIMIT 1)
    UNION ALL
    SELECT later.type, later.due_at
    FROM present, LATERAL (
        SELECT tasks.type, due_at
        FROM tasks
        WHERE state = 'scheduled' AND tasks.type > present.type
        ORDER BY tasks.type, due_at
        LIMIT 1) AS later
)
SELECT type, due_at FROM present
$$
"""
COUNT_OVERDUE = """
CREATE OR REPLACE FUNCTION count_overdue(most bigint) RETURNS TABLE (number bigint, oldest timestamptz)
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
SELECT (SELECT count(*)
        FROM (SELECT
              FROM waiting_types() AS waiting, LATERAL (
                  SELECT
                  FROM tasks
                  WHERE state = 'scheduled' AND tasks.type = waiting.type AND due_at < now()
                  LIMIT most) AS overdue
              WHERE waiting.first_at < now()
              LIMIT most) AS counted),
       (SELECT min(first_at) FROM waiting_types() WHERE first_at < now())
$$
"""


def upgrade() -> None:
    """Add the columns; then their indexes, the guard of states and the functions that read them."""
    op.execute("DROP TRIGGER final_states_are_final ON tasks")
    op.execute("DROP FUNCTION refuse_leaving_a_final_state")
    op.execute("DROP INDEX tasks_due")
    for statement in (COLUMNS, *INDEXES, REFUSE, TRIGGER, WAITING_TYPES, COUNT_OVERDUE):
        op.execute(statement)
