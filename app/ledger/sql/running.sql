-- Running attempts for the sweeper to watch: all of outside workers, and those of worker processes that have run for
-- longer than ten seconds by this clock, or started in its future because it was set back. `lasts_s` is how long each
-- may run without a new lease. A worker process that lives reports the outcome before that.
SELECT id::text, claim_token::text AS token, lease_expires_at,
       CASE WHEN lease_expires_at IS NULL THEN timeout_s + %(forgotten_after_s)s ELSE 2 * timeout_s END AS lasts_s,
       coalesce(lease_expires_at < clock_timestamp(), false) AS is_expired
FROM tasks
WHERE state = 'running'
  AND (lease_expires_at IS NOT NULL
       OR started_at NOT BETWEEN clock_timestamp() - interval '10 s' AND clock_timestamp())
