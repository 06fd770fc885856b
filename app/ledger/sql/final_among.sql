-- Ids of those of these tasks that have reached a final state.
SELECT id
FROM tasks
WHERE id = ANY(%(ids)s::uuid[]) AND state NOT IN ('scheduled', 'running')
