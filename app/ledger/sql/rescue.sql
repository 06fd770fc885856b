-- End lost attempts, each only while it is still lost: a heartbeat or a new lease that arrives meanwhile prevents that.
-- The claim token fences it, because the next claim replaces it.
UPDATE tasks AS task
SET {write_outcome},
    claim_token = NULL
FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::task_state[], %(errors)s::text[],
            %(retries_in_s)s::float8[]) AS outcome (id, token, state, error, retry_in_s)
WHERE task.id = outcome.id AND task.claim_token = outcome.token
  AND {is_lost}
RETURNING task.id::text, task.type, task.worker_id, CASE WHEN task.state = 'scheduled' THEN task.next_attempt_at END AS again_at
