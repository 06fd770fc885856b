-- The right to run, for outside workers: the tasks of these types due earliest. First how many of each type are among
-- those, then so many of each are taken, past what others take just now. now() is never ahead of the clock, and the
-- index can end at it: with clock_timestamp() a claim of nothing would read all that is scheduled.
WITH earliest AS (
    SELECT due.type
    FROM unnest(%(types)s::text[]) AS wanted (type), LATERAL (
        SELECT tasks.type, coalesce(next_attempt_at, execute_at) AS at, id
        FROM tasks
        WHERE state = 'scheduled' AND tasks.type = wanted.type AND coalesce(next_attempt_at, execute_at) <= now()
        ORDER BY coalesce(next_attempt_at, execute_at), id
        LIMIT %(limit)s
    ) AS due
    ORDER BY due.at, due.id
    LIMIT %(limit)s
), taken AS MATERIALIZED (
    SELECT due.id, due.at
    FROM (SELECT type, count(*) AS number FROM earliest GROUP BY type) AS share, LATERAL (
        SELECT id, coalesce(next_attempt_at, execute_at) AS at
        FROM tasks
        WHERE state = 'scheduled' AND tasks.type = share.type AND coalesce(next_attempt_at, execute_at) <= now()
        ORDER BY coalesce(next_attempt_at, execute_at), id
        LIMIT share.number
        FOR UPDATE SKIP LOCKED
    ) AS due
)
UPDATE tasks
SET state = 'running',
    attempt = attempt + 1,
    claim_token = %(token)s::uuid,
    worker_id = %(worker_id)s,
    started_at = clock_timestamp(),
    lag_ms = coalesce(lag_ms, date_part('epoch', clock_timestamp() - execute_at) * 1000),
    next_attempt_at = NULL,
    lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
FROM taken
WHERE tasks.id = taken.id
RETURNING tasks.id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at,
          started_at, finished_at, deleted_at, lag_ms, worker_id, result, error, claim_token, lease_expires_at, taken.at
