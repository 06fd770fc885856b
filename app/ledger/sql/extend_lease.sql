-- Heartbeat of an outside worker: a new lease, if the old one still holds.
UPDATE tasks
SET lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
WHERE id = %(id)s AND state::text = 'running' AND claim_token = %(token)s AND lease_expires_at > clock_timestamp()
RETURNING tasks.id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at,
          started_at, finished_at, deleted_at, lag_ms, worker_id, result, error, claim_token, lease_expires_at
