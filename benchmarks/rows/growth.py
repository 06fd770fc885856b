"""A table that has grown: ten million final tasks and a million that wait."""

from __future__ import annotations

from benchmarks.service import Service
from benchmarks.tasks import warm_up

FINAL, SCHEDULED = 10_000_000, 1_000_000
PART = 500_000

# Resembles a year of use: most tasks succeeded, some failed, few were deleted; four types, one of them rare.
TYPE = "(ARRAY['bench', 'bench', 'bench', 'bench', 'foo', 'foo', 'bar', 'baz'])[1 + mod(n * 7919, 8)]"
STATE = "CASE WHEN mod(n, 1000) = 0 THEN 'deleted' WHEN mod(n, 97) = 0 THEN 'failed' ELSE 'succeeded' END"
STATE_TYPE = "<type of the state>"
FILL_FINAL = f"""
INSERT INTO tasks (id, type, state, execute_at, created_at, payload, timeout_s, max_attempts, attempt, started_at,
                   finished_at, deleted_at, lag_ms, worker_id, claim_token, result, error)
SELECT uuidv7(at - now() - interval '1 minute'), CASE WHEN mod(n, 100000) = 0 THEN 'buzz' ELSE {TYPE} END,
       state::{STATE_TYPE}, at, at - interval '1 minute', '{{}}', 5, 1, CASE state WHEN 'deleted' THEN 0 ELSE 1 END,
       CASE WHEN state <> 'deleted' THEN at + interval '2 ms' END,
       CASE WHEN state <> 'deleted' THEN at + interval '3 ms' END,
       CASE WHEN state = 'deleted' THEN at - interval '1 s' END,
       CASE WHEN state <> 'deleted' THEN 2.1 END, CASE WHEN state <> 'deleted' THEN 'host.1.abcdef' END,
       CASE WHEN state <> 'deleted' THEN gen_random_uuid() END,
       CASE WHEN state = 'succeeded' THEN '{{"output": "Baz 63"}}'::jsonb END,
       CASE WHEN state = 'failed' THEN '{{"type": "timeout", "message": "Killed after 5 s.", "attempt": 1}}'::jsonb END
FROM (SELECT n, {STATE} AS state, now() - interval '29 days' + n * interval '0.25 s' AS at
      FROM generate_series(%s::bigint, %s::bigint) AS n) AS made
"""
FILL_SCHEDULED = f"""
INSERT INTO tasks (id, type, execute_at, created_at, payload, timeout_s, max_attempts)
SELECT uuidv7(n * interval '1 ms' - interval '1 day'), {TYPE}, now() + interval '2 hours' + n * interval '30 s',
       now() - interval '1 day' + n * interval '1 ms', '{{}}', 5, 1
FROM generate_series(1, %s::bigint) AS n
"""
TYPE_OF_STATE = """
SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'tasks'::regclass AND attname = 'state'
"""
# Dropping this large index and building it afterwards is several times faster. The other indexes contain few or none of
# these rows; the running service needs them, or it would repeatedly scan the whole table.
LARGE = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tasks' AND indexname = 'tasks_by_state'"


def fill(service: Service, *, final: int = FINAL, scheduled: int = SCHEDULED) -> None:
    """Insert rows into the table."""
    with service.postgres() as connection:
        indexes = connection.execute(LARGE).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute("ALTER TABLE tasks DISABLE TRIGGER USER")
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '512MB'")
        ((state_type,),) = connection.execute(TYPE_OF_STATE).fetchall()
        fill_final = FILL_FINAL.replace(STATE_TYPE, str(state_type)).encode()
        for begin in range(1, final + 1, PART):
            connection.execute(fill_final, [begin, min(final, begin + PART - 1)])
        connection.execute(FILL_SCHEDULED, [scheduled])
        for _, definition in indexes:
            connection.execute(str(definition).encode())
        connection.execute("ALTER TABLE tasks ENABLE TRIGGER USER")
        connection.execute("VACUUM ANALYZE tasks")


def prepare(service: Service) -> None:
    """Fill the table, and start the children."""
    fill(service)
    warm_up(service, "bench")
