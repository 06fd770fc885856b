-- The tasks that a claim with this token won. Used when the answer of the claim was lost.
SELECT {claim_columns}
FROM tasks
WHERE id = ANY(%(ids)s::uuid[]) AND state IS NOT DISTINCT FROM 'running' AND claim_token = %(token)s::uuid
