-- Claim one task for an outside worker.
UPDATE tasks
SET {begin_attempt},
    lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
WHERE id = %(id)s
  AND state IS NOT DISTINCT FROM 'scheduled'
  AND due_at <= clock_timestamp()
  AND type = ANY(%(types)s::text[])
RETURNING {task}, claim_token, lease_expires_at
