-- For each of these types: how many tasks are due, counted up to a limit, and in how many seconds the next one is due.
SELECT wanted.type, due.number, upcoming.next_s
FROM unnest(%(types)s::text[]) AS wanted (type), LATERAL (
    SELECT count(*) AS number
    FROM (
        SELECT
        FROM tasks
        WHERE state = 'scheduled' AND tasks.type = wanted.type AND due_at <= now()
        LIMIT %(limit)s
    ) AS counted
) AS due, LATERAL (
    SELECT extract(epoch FROM min(due_at) - now())::float8 AS next_s
    FROM tasks
    WHERE state = 'scheduled' AND tasks.type = wanted.type AND due_at > now()
) AS upcoming
