-- The right to run, for outside workers: the tasks of these types due earliest. now() is never ahead of the clock, and
-- the index can end at it: with clock_timestamp() a claim of nothing would read all that is scheduled.
UPDATE tasks
SET state = 'running',
    attempt = attempt + 1,
    claim_token = %(token)s::uuid,
    worker_id = %(worker_id)s,
    started_at = clock_timestamp(),
    lag_ms = coalesce(lag_ms, extract(epoch FROM clock_timestamp() - execute_at) * 1000),
    next_attempt_at = NULL,
    lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
FROM (
    SELECT id, coalesce(next_attempt_at, execute_at) AS at
    FROM tasks
    WHERE state = 'scheduled'
      AND coalesce(next_attempt_at, execute_at) <= now()
      AND type = ANY(%(types)s::text[])
    ORDER BY coalesce(next_attempt_at, execute_at), id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
) AS due
WHERE tasks.id = due.id
RETURNING tasks.id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at,
          started_at, finished_at, deleted_at, lag_ms, worker_id, result, error, claim_token, lease_expires_at, due.at
