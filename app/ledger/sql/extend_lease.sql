-- Heartbeat of an outside worker: a new lease, while the claim holds. The end of the last lease is not checked, because
-- the clock may have been set. A claim holds until the sweeper ends it.
UPDATE tasks
SET lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
WHERE id = %(id)s AND state IS NOT DISTINCT FROM 'running' AND claim_token = %(token)s
  AND lease_expires_at IS NOT NULL
RETURNING {task}, claim_token, lease_expires_at, cancel_requested_at IS NOT NULL AS cancel_requested
