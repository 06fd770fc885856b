-- The oldest scheduled task that should have begun: how late it is, in seconds. now(), which the index can end at.
SELECT extract(epoch FROM clock_timestamp() - coalesce(next_attempt_at, execute_at))::float8
FROM tasks
WHERE state = 'scheduled' AND coalesce(next_attempt_at, execute_at) < now()
ORDER BY coalesce(next_attempt_at, execute_at), id
LIMIT 1
