SELECT id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at,
       started_at, finished_at, deleted_at, lag_ms, worker_id, result, error
FROM tasks
WHERE id = %(id)s
