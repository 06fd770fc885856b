-- Outcomes, many at once, each only by the holder of its claim. What to write is decided in code, but for one thing: a
-- task that is to be cancelled is not tried again.
-- Tasks are found by their ids, whatever the planner thinks of the table; that they run is compared with something of
-- the outcome, which is always true, or it is looked at first, thought to be rare, and each task meets each outcome.
-- Answers how many were written, and those of them that are tried again: one row of nulls where none is.
WITH written AS (
    UPDATE tasks AS task
    SET state = CASE WHEN outcome.retry_in_s IS NOT NULL AND cancel_requested_at IS NOT NULL THEN 'cancelled'
                     ELSE outcome.state END,
        finished_at = CASE WHEN outcome.retry_in_s IS NULL OR cancel_requested_at IS NOT NULL
                           THEN clock_timestamp() END,
        next_attempt_at = CASE WHEN outcome.retry_in_s IS NOT NULL AND cancel_requested_at IS NULL
                               THEN clock_timestamp() + make_interval(secs => outcome.retry_in_s) END,
        result = outcome.result::jsonb,
        error = outcome.error::jsonb,
        lease_expires_at = NULL
    FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::task_state[], %(results)s::text[], %(errors)s::text[],
                %(retries_in_s)s::float8[]) AS outcome (id, token, state, result, error, retry_in_s)
    WHERE task.id = ANY(%(ids)s::uuid[]) AND task.id = outcome.id AND task.claim_token = outcome.token
      AND (task.state::text = 'running' AND (task.lease_expires_at IS NULL OR task.lease_expires_at > clock_timestamp()))
          = (outcome.token IS NOT NULL)
    RETURNING task.id, task.type, task.state, task.due_at
)
SELECT number AS written, again.id::text, again.type, again.due_at AS at
FROM (SELECT count(*) AS number FROM written) AS counted
LEFT JOIN written AS again ON again.state = 'scheduled'
