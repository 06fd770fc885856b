-- Write outcomes, each only while its claim holds. They are decided in code, with one exception: a task that is to
-- be cancelled is not tried again. Tasks are found by their ids. The test for `running` is compared with a column of
-- the outcome, which is always true, so that the planner cannot evaluate it first: it expects few running rows, and
-- would join each of them with each outcome. Returns the number of rows written, and those of them that are tried again
-- (one row of nulls if there is none).
WITH written AS (
    UPDATE tasks AS task
    SET {write_outcome},
        result = outcome.result::json
    FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::task_state[], %(results)s::text[], %(errors)s::text[],
                %(retries_in_s)s::float8[]) AS outcome (id, token, state, result, error, retry_in_s)
    WHERE task.id = ANY(%(ids)s::uuid[]) AND task.id = outcome.id AND task.claim_token = outcome.token
      AND (task.state = 'running')
          = (outcome.token IS NOT NULL)
    RETURNING task.id, task.type, task.state, task.due_at
)
SELECT number AS written, again.id::text, again.type, again.due_at AS at
FROM (SELECT count(*) AS number FROM written) AS counted
LEFT JOIN written AS again ON again.state = 'scheduled'
