"""States become an enum, and each task is in as few indexes as possible."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
FULL_STOP = "it rewrites the table of tasks, and statements of earlier releases fail on the new type of a column."

# Objects that depend on the state are dropped, and created again below. The table is rewritten under a lock: about a
# minute for ten million tasks.
BEFORE = (
    "DROP TRIGGER final_states_are_final ON tasks",
    "DROP INDEX tasks_due, tasks_running, tasks_by_time, tasks_deleted, tasks_by_key, tasks_by_state",
    (
        "ALTER TABLE tasks DROP CONSTRAINT state_is_known, DROP CONSTRAINT running_is_claimed,"
        " DROP CONSTRAINT finished_has_its_instant, DROP CONSTRAINT deleted_never_ran"
    ),
    "DROP FUNCTION count_tasks, count_overdue",
)
ENUM = (
    "CREATE TYPE task_state AS ENUM ('scheduled', 'running', 'succeeded', 'failed', 'cancelled', 'deleted')",
    "ALTER TABLE tasks ALTER COLUMN state DROP DEFAULT",
    (
        "ALTER TABLE tasks ALTER COLUMN state TYPE task_state USING state::task_state,"
        " ALTER COLUMN attempt TYPE smallint, ALTER COLUMN max_attempts TYPE smallint"
    ),
    "ALTER TABLE tasks ALTER COLUMN state SET DEFAULT 'scheduled'",
)
GUARDS = (
    (
        "ALTER TABLE tasks ADD CONSTRAINT running_is_claimed CHECK"
        " (state <> 'running' OR (claim_token IS NOT NULL AND worker_id IS NOT NULL AND started_at IS NOT NULL)),"
        " ADD CONSTRAINT finished_has_its_instant CHECK"
        " (state NOT IN ('succeeded', 'failed') OR finished_at IS NOT NULL),"
        " ADD CONSTRAINT deleted_never_ran CHECK"
        " ((state = 'deleted') = (deleted_at IS NOT NULL) AND (state <> 'deleted' OR attempt = 0))"
    ),
    (
        "CREATE TRIGGER final_states_are_final BEFORE UPDATE ON tasks FOR EACH ROW"
        " WHEN (OLD.state IN ('succeeded', 'failed', 'cancelled', 'deleted'))"
        " EXECUTE FUNCTION refuse_leaving_a_final_state()"
    ),
)

# No update of a task is HOT, because every one changes its state: each writes the primary key, and the one index that
# contains the task from then on. Types come first, so that lists, counts and due tasks of a rare type read nothing
# else. Several types are merged in order.
INDEXES = (
    # Waiting tasks by due time. Also for lists: for tasks that never failed it is the order of execute_at.
    "CREATE INDEX tasks_due ON tasks (type, COALESCE(next_attempt_at, execute_at), id) WHERE state = 'scheduled'",
    # Tasks of a dead worker.
    "CREATE INDEX tasks_running ON tasks (worker_id) WHERE state = 'running'",
    # Final tasks, and failed ones that wait for their next attempt, in the order of lists.
    (
        "CREATE INDEX tasks_by_state ON tasks (state, type, execute_at, id)"
        " WHERE state <> 'running' AND (state <> 'scheduled' OR next_attempt_at IS NOT NULL)"
    ),
    "CREATE INDEX tasks_deleted ON tasks (deleted_at) WHERE state = 'deleted'",
    "CREATE INDEX tasks_by_key ON tasks (created_by) WHERE state = 'scheduled' AND created_by IS NOT NULL",
)

# As in 0002, with the new type of the state.
COUNT_TASKS = """
CREATE FUNCTION count_tasks(types text[], most bigint) RETURNS TABLE (state task_state, type text, number bigint)
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
SELECT counted.state::task_state, counted.type, counted.number
FROM unnest(types) AS wanted (type), LATERAL (
    SELECT 'scheduled', wanted.type, (SELECT count(*) FROM (
        SELECT FROM tasks WHERE state = 'scheduled' AND tasks.type = wanted.type LIMIT most) AS found)
    UNION ALL SELECT 'succeeded', wanted.type, (SELECT count(*) FROM (
        SELECT FROM tasks WHERE state = 'succeeded' AND tasks.type = wanted.type LIMIT most) AS found)
    UNION ALL SELECT 'failed', wanted.type, (SELECT count(*) FROM (
        SELECT FROM tasks WHERE state = 'failed' AND tasks.type = wanted.type LIMIT most) AS found)
    UNION ALL SELECT 'cancelled', wanted.type, (SELECT count(*) FROM (
        SELECT FROM tasks WHERE state = 'cancelled' AND tasks.type = wanted.type LIMIT most) AS found)
    UNION ALL SELECT 'deleted', wanted.type, (SELECT count(*) FROM (
        SELECT FROM tasks WHERE state = 'deleted' AND tasks.type = wanted.type LIMIT most) AS found)
) AS counted (state, type, number)
UNION ALL SELECT 'running', type, count(*)
    FROM (SELECT type FROM tasks WHERE state = 'running' LIMIT most) AS found
    GROUP BY type
UNION ALL SELECT 'scheduled', NULL, count(*) FROM (SELECT FROM tasks WHERE state = 'scheduled' LIMIT most) AS found
UNION ALL SELECT 'succeeded', NULL, count(*) FROM (SELECT FROM tasks WHERE state = 'succeeded' LIMIT most) AS found
UNION ALL SELECT 'failed', NULL, count(*) FROM (SELECT FROM tasks WHERE state = 'failed' LIMIT most) AS found
UNION ALL SELECT 'cancelled', NULL, count(*) FROM (SELECT FROM tasks WHERE state = 'cancelled' LIMIT most) AS found
UNION ALL SELECT 'deleted', NULL, count(*) FROM (SELECT FROM tasks WHERE state = 'deleted' LIMIT most) AS found
UNION ALL SELECT 'running', NULL, count(*) FROM (SELECT FROM tasks WHERE state = 'running' LIMIT most) AS found
$$
"""

# The types of waiting tasks, and when the first of each is due, by one index lookup per type.
WAITING_TYPES = """
CREATE FUNCTION waiting_types() RETURNS TABLE (type text, first_at timestamptz)
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
WITH RECURSIVE present AS (
    (SELECT tasks.type, coalesce(next_attempt_at, execute_at) AS at
     FROM tasks
     WHERE state = 'scheduled'
     ORDER BY tasks.type, coalesce(next_attempt_at, execute_at)
     LIMIT 1)
    UNION ALL
    SELECT later.type, later.at
    FROM present, LATERAL (
        SELECT tasks.type, coalesce(next_attempt_at, execute_at) AS at
        FROM tasks
        WHERE state = 'scheduled' AND tasks.type > present.type
        ORDER BY tasks.type, coalesce(next_attempt_at, execute_at)
        LIMIT 1) AS later
)
SELECT type, at FROM present
$$
"""
COUNT_OVERDUE = """
CREATE FUNCTION count_overdue(most bigint) RETURNS TABLE (number bigint, oldest timestamptz)
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
SELECT (SELECT count(*)
        FROM (SELECT
              FROM waiting_types() AS waiting, LATERAL (
                  SELECT
                  FROM tasks
                  WHERE state = 'scheduled'
                    AND tasks.type = waiting.type
                    AND coalesce(next_attempt_at, execute_at) < now()
                  LIMIT most) AS overdue
              WHERE waiting.first_at < now()
              LIMIT most) AS counted),
       (SELECT min(first_at) FROM waiting_types() WHERE first_at < now())
$$
"""


def upgrade() -> None:
    """Rewrite the table; then create its guards, indexes and functions."""
    for statement in (*BEFORE, *ENUM, *GUARDS, *INDEXES, COUNT_TASKS, WAITING_TYPES, COUNT_OVERDUE):
        op.execute(statement)
