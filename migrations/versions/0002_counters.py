"""Counters of faults and repairs, and functions that count tasks."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

COUNTERS = """
CREATE TABLE counters (
    name   text   PRIMARY KEY,
    value  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50)
"""

# Empty as long as no task starts early, so the index and counting from it cost nothing.
STARTED_EARLY = "CREATE INDEX tasks_started_early ON tasks (id) WHERE lag_ms < 0"

# Counting by state and type up to a bound, from the index alone. It is written when a task is created and when it
# ends, not when it is claimed; few different keys, so it stays small.
COUNTED = "CREATE INDEX tasks_counted ON tasks (state, type) WHERE state <> 'running'"

# Each part stops at the bound: ten million rows cost what a hundred thousand cost. Functions with settings of their
# own, because the planner underestimates a scan of the table under a LIMIT if a type's rows are adjacent. The states
# are constants, so that the planner can use partial indexes. A null type means all types.
COUNT_TASKS = """
CREATE FUNCTION count_tasks(types text[], most bigint) RETURNS TABLE (state text, type text, number bigint)
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
SELECT counted.state, counted.type, counted.number
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

COUNT_OVERDUE = """
CREATE FUNCTION count_overdue(most bigint) RETURNS TABLE (number bigint, oldest timestamptz)
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
SELECT count(*), min(at)
FROM (
    SELECT coalesce(next_attempt_at, execute_at) AS at
    FROM tasks
    WHERE state = 'scheduled' AND coalesce(next_attempt_at, execute_at) < now()
    ORDER BY coalesce(next_attempt_at, execute_at), id
    LIMIT most
) AS due
$$
"""


def upgrade() -> None:
    """Create the table, the indexes and the functions that count."""
    for statement in (COUNTERS, STARTED_EARLY, COUNTED, COUNT_TASKS, COUNT_OVERDUE):
        op.execute(statement)
