-- Hand back claims whose code has not begun. The attempt is not counted. A task that is to be cancelled is cancelled.
UPDATE tasks AS task
SET state = CASE WHEN cancel_requested_at IS NULL THEN 'scheduled'::task_state ELSE 'cancelled' END,
    finished_at = CASE WHEN cancel_requested_at IS NOT NULL THEN clock_timestamp() END,
    attempt = attempt - 1,
    started_at = NULL,
    lag_ms = CASE WHEN attempt > 1 THEN lag_ms END,
    worker_id = NULL,
    claim_token = NULL,
    lease_expires_at = NULL
FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) AS held (id, token)
WHERE task.id = ANY(%(ids)s::uuid[]) AND task.id = held.id AND task.claim_token = held.token
  AND (task.state = 'running')
      = (held.token IS NOT NULL)  -- as in finish.sql
RETURNING {due_columns}
