-- The right to run this very task, for an outside worker.
UPDATE tasks
SET state = 'running',
    attempt = attempt + 1,
    claim_token = %(token)s::uuid,
    worker_id = %(worker_id)s,
    started_at = clock_timestamp(),
    lag_ms = coalesce(lag_ms, date_part('epoch', clock_timestamp() - execute_at) * 1000),
    next_attempt_at = NULL,
    lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
WHERE id = %(id)s
  AND state::text = 'scheduled'
  AND coalesce(next_attempt_at, execute_at) <= clock_timestamp()
  AND type = ANY(%(types)s::text[])
RETURNING tasks.id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at,
          started_at, finished_at, deleted_at, lag_ms, worker_id, result, error, claim_token, lease_expires_at
