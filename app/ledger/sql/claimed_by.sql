-- What a claim won whose answer was lost, found by its token.
SELECT {claim_columns}
FROM tasks
WHERE id = ANY(%(ids)s::uuid[]) AND state::text = 'running' AND claim_token = %(token)s::uuid
