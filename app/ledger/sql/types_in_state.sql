-- The types that occur in a state other than scheduled and running. One index lookup per type, however many tasks
-- exist.
WITH RECURSIVE present AS (
    (SELECT type FROM tasks WHERE state = %(state)s AND state <> 'running' AND state <> 'scheduled' ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (SELECT type
            FROM tasks
            WHERE state = %(state)s AND state <> 'running' AND state <> 'scheduled' AND tasks.type > present.type
            ORDER BY type
            LIMIT 1)
    FROM present
    WHERE present.type IS NOT NULL
)
SELECT type
FROM present
WHERE type IS NOT NULL
