-- Cancel a task that has not begun. Of a running task only record the request; its worker receives it with the next
-- heartbeat.
UPDATE tasks
SET state = CASE WHEN state = 'scheduled' THEN 'cancelled' ELSE state END,
    finished_at = CASE WHEN state = 'scheduled' THEN clock_timestamp() END,
    cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
WHERE id = %(id)s AND (state IS NOT DISTINCT FROM 'scheduled' OR state IS NOT DISTINCT FROM 'running')
RETURNING {task}
