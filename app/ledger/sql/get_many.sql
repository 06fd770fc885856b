-- Which of these tasks are stored. Used when it is unknown whether an insert was committed.
SELECT id::text, execute_at, created_at
FROM tasks
WHERE id = ANY(%(ids)s::uuid[])
