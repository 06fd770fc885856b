-- Claim the tasks of these types that are due earliest, for an outside worker. First, count how many of each type are
-- among them; then lock that many of each, skipping rows that others lock. now() is never ahead of the clock, and an
-- index scan can end at it: with clock_timestamp() a claim that finds no due task would read all scheduled rows.
WITH earliest AS (
    SELECT due.type
    FROM unnest(%(types)s::text[]) AS wanted (type), LATERAL (
        SELECT tasks.type, due_at, id
        FROM tasks
        WHERE state = 'scheduled' AND tasks.type = wanted.type AND due_at <= now()
        ORDER BY due_at, id
        LIMIT %(limit)s
    ) AS due
    ORDER BY due.due_at, due.id
    LIMIT %(limit)s
), taken AS MATERIALIZED (
    SELECT due.id AS task_id, due.due_at AS at
    FROM (SELECT type, count(*) AS number FROM earliest GROUP BY type) AS share, LATERAL (
        SELECT id, due_at
        FROM tasks
        WHERE state = 'scheduled' AND tasks.type = share.type AND due_at <= now()
        ORDER BY due_at, id
        LIMIT share.number
        FOR UPDATE SKIP LOCKED
    ) AS due
), leased AS (
    UPDATE tasks
    SET {begin_attempt},
        lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
    FROM taken
    WHERE tasks.id = taken.task_id
    RETURNING {task}, claim_token, lease_expires_at, taken.at
)
SELECT {task}, claim_token, lease_expires_at
FROM leased
ORDER BY at, id
