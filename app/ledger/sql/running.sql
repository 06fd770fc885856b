-- Attempts that run, for the sweeper to watch: those of outside workers, and of ours those that have run for longer than
-- ten seconds by this clock, or begin in its future because it was set back. `lasts_s` is how long each may run without
-- another lease. Of ours, a worker that lives reports the outcome sooner.
SELECT id::text, claim_token::text AS token, lease_expires_at,
       CASE WHEN lease_expires_at IS NULL THEN timeout_s + %(forgotten_after_s)s ELSE 2 * timeout_s END AS lasts_s,
       coalesce(lease_expires_at < clock_timestamp(), false) AS is_expired
FROM tasks
WHERE state = 'running'
  AND (lease_expires_at IS NOT NULL
       OR started_at NOT BETWEEN clock_timestamp() - interval '10 s' AND clock_timestamp())
