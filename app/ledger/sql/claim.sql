-- Claim tasks for our own workers. clock_timestamp(), because now() is the start of the transaction. The state is
-- compared as text to keep the planner on the primary key: with statistics it prefers an index on state, and reads
-- every scheduled row to find a hundred (7 to 9 times slower).
UPDATE tasks
SET {begin_attempt},
    lease_expires_at = NULL
WHERE id = ANY(%(ids)s::uuid[])
  AND state::text = 'scheduled'
  AND due_at <= clock_timestamp()
  AND type = ANY(%(types)s::text[])
RETURNING {claim_columns}
