-- The earliest scheduled task of these types (all types: null), not claimed.
SELECT id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at,
       started_at, finished_at, deleted_at, lag_ms, worker_id, result, error
FROM tasks
WHERE state = 'scheduled' AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s::text[]))
ORDER BY coalesce(next_attempt_at, execute_at), id
LIMIT 1
