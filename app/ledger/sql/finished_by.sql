-- Which of these outcomes are stored already. Used when fewer were written than were sent, or an answer was lost.
SELECT task.id::text, task.type, CASE WHEN task.state = 'scheduled' THEN task.next_attempt_at END AS at
FROM tasks AS task, unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) AS outcome (id, token)
WHERE task.id = ANY(%(ids)s::uuid[]) AND task.id = outcome.id AND task.claim_token = outcome.token
  AND (task.state <> 'running') = (outcome.token IS NOT NULL)  -- as in finish.sql
