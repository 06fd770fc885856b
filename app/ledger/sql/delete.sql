-- Deleted is deleted: only what never began, decided in this one statement.
UPDATE tasks
SET state = 'deleted', deleted_at = clock_timestamp()
WHERE id = %(id)s AND state::text = 'scheduled' AND attempt = 0
RETURNING id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at,
          started_at, finished_at, deleted_at, lag_ms, worker_id, result, error
