-- Attempts that no worker runs any more. Our own worker is dead when its row is gone, or when the sweeper has watched its
-- heartbeat for long enough and it is still the same; the attempt of an outside worker when its lease is. A task that is
-- long past its timeout is lost too, although its worker lives: the worker killed it and reported that, and a failover of
-- Postgres lost the report.
SELECT id::text, claim_token::text AS token, attempt, max_attempts, type, worker_id
FROM tasks AS task
WHERE {is_lost}
ORDER BY task.id
LIMIT %(limit)s
