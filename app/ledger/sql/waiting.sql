-- Which of these tasks are still scheduled, and when they are due.
SELECT {due_columns}
FROM tasks AS task
WHERE id = ANY(%(ids)s::uuid[]) AND state IS NOT DISTINCT FROM 'scheduled'
