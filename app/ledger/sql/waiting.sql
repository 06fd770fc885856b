-- Which of these still wait, and until when.
SELECT {due}
FROM tasks AS task
WHERE id = ANY(%(ids)s::uuid[]) AND state::text = 'scheduled'
