-- What a claim won whose answer was lost on the way: the token tells.
SELECT id::text, type, payload::text, attempt, max_attempts, timeout_s, execute_at
FROM tasks
WHERE id = ANY(%(ids)s::uuid[]) AND state::text = 'running' AND claim_token = %(token)s::uuid
