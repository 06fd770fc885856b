-- The earliest scheduled task of these types (all types: null), not claimed.
SELECT first.*
FROM unnest(coalesce(%(types)s::text[], (SELECT array_agg(type) FROM waiting_types()))) AS wanted (type), LATERAL (
    SELECT id, tasks.type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at,
           started_at, finished_at, deleted_at, lag_ms, worker_id, result, error
    FROM tasks
    WHERE state = 'scheduled' AND tasks.type = wanted.type
    ORDER BY coalesce(next_attempt_at, execute_at), id
    LIMIT 1
) AS first
ORDER BY coalesce(next_attempt_at, execute_at), id
LIMIT 1
