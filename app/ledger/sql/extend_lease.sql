-- Heartbeat of an outside worker: a new lease, if the old one still holds.
UPDATE tasks
SET lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
WHERE id = %(id)s AND state IS NOT DISTINCT FROM 'running' AND claim_token = %(token)s
  AND lease_expires_at > clock_timestamp()
RETURNING {task}, claim_token, lease_expires_at, cancel_requested_at IS NOT NULL AS cancel_requested
