-- Settle lost attempts, each only while it is still lost. The claim token fences it, because the next claim replaces
-- it.
UPDATE tasks AS task
SET state = CASE WHEN outcome.retry_in_s IS NOT NULL AND cancel_requested_at IS NOT NULL THEN 'cancelled'
                 ELSE outcome.state END,
    finished_at = CASE WHEN outcome.retry_in_s IS NULL OR cancel_requested_at IS NOT NULL THEN clock_timestamp() END,
    next_attempt_at = CASE WHEN outcome.retry_in_s IS NOT NULL AND cancel_requested_at IS NULL
                           THEN clock_timestamp() + make_interval(secs => outcome.retry_in_s) END,
    error = outcome.error::jsonb,
    claim_token = NULL,
    lease_expires_at = NULL
FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::task_state[], %(errors)s::text[],
            %(retries_in_s)s::float8[]) AS outcome (id, token, state, error, retry_in_s)
WHERE task.id = outcome.id AND task.claim_token = outcome.token
  AND {lost}
RETURNING task.id::text, task.type, task.worker_id, CASE WHEN task.state = 'scheduled' THEN task.next_attempt_at END AS again_at
