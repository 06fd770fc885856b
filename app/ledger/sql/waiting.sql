-- Which of these still wait, and until when.
SELECT id::text, type, coalesce(next_attempt_at, execute_at)
FROM tasks
WHERE id = ANY(%(ids)s::uuid[]) AND state::text = 'scheduled'
