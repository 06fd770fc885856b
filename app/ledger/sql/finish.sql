-- Outcomes, many at once, each only by the holder of its claim. A failed attempt with others left waits for
-- its next one: 1 s, 2 s, 4 s ... at most an hour, and a tenth of chance so that mates do not return together.
-- Tasks are found by their ids, whatever the planner thinks of the table; that they run is compared with something of
-- the outcome, which is always true, or it is looked at first, thought to be rare, and each task meets each outcome.
-- Answers how many were written, and those of them that wait again: one row of nulls where none does.
WITH written AS (
    UPDATE tasks AS task
    SET state = CASE WHEN error_type IS NULL THEN 'succeeded'::task_state
                     WHEN attempt < max_attempts THEN 'scheduled'
                     ELSE 'failed' END,
        finished_at = CASE WHEN error_type IS NULL OR attempt >= max_attempts THEN clock_timestamp() END,
        next_attempt_at = CASE WHEN error_type IS NOT NULL AND attempt < max_attempts
                               THEN clock_timestamp()
                                    + make_interval(secs => least(2.0 ^ (attempt - 1), 3600) * (1 + random() / 10)) END,
        result = outcome.result::jsonb,
        error = CASE WHEN error_type IS NOT NULL
                     THEN jsonb_build_object('type', error_type, 'message', error_message, 'attempt', attempt) END,
        lease_expires_at = NULL
    FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(results)s::text[], %(error_types)s::text[],
                %(error_messages)s::text[]) AS outcome (id, token, result, error_type, error_message)
    WHERE task.id = ANY(%(ids)s::uuid[]) AND task.id = outcome.id AND task.claim_token = outcome.token
      AND (task.state::text = 'running' AND (task.lease_expires_at IS NULL OR task.lease_expires_at > clock_timestamp()))
          = (outcome.token IS NOT NULL)
    RETURNING task.id, task.type, task.state, task.next_attempt_at
)
SELECT number, again.id::text, again.type, again.next_attempt_at
FROM (SELECT count(*) AS number FROM written) AS counted
LEFT JOIN written AS again ON again.state = 'scheduled'
