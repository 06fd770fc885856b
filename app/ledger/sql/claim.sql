-- Claim tasks for our own workers. clock_timestamp(), because now() is the start of the transaction. IS NOT DISTINCT
-- FROM keeps the planner on the primary key: with `=` and statistics it prefers an index on state, and reads every
-- scheduled row to find a hundred (7 to 9 times slower).
UPDATE tasks
SET {begin_attempt},
    lease_expires_at = NULL
WHERE id = ANY(%(ids)s::uuid[])
  AND state IS NOT DISTINCT FROM 'scheduled'
  AND due_at <= clock_timestamp()
  AND type = ANY(%(types)s::text[])
RETURNING {claim_columns}
