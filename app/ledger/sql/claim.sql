-- The right to run, for our own workers. clock_timestamp(), not now(): that is when the transaction began.
-- The state is compared as an expression to keep the planner on the primary key: with statistics
-- it prefers an index on state, and reads every scheduled row to find a hundred (7 to 9 times slower).
UPDATE tasks
SET state = 'running',
    attempt = attempt + 1,
    claim_token = %(token)s::uuid,
    worker_id = %(worker_id)s,
    started_at = clock_timestamp(),
    lag_ms = coalesce(lag_ms, date_part('epoch', clock_timestamp() - execute_at) * 1000),
    next_attempt_at = NULL,
    lease_expires_at = NULL
WHERE id = ANY(%(ids)s::uuid[])
  AND state::text = 'scheduled'
  AND coalesce(next_attempt_at, execute_at) <= clock_timestamp()
  AND type = ANY(%(types)s::text[])
RETURNING id::text, type, payload::text, attempt, max_attempts, timeout_s, execute_at
