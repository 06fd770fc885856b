-- Attempts that no worker runs any more. A worker process is dead if its row is missing, or if its heartbeat did not
-- change while the sweeper watched it for long enough. The attempt of an outside worker is lost if its lease did not
-- change for long enough. An attempt long past its timeout is lost although its worker lives: the worker killed it and
-- reported that, and a failover of Postgres lost the report.
SELECT id::text, claim_token::text AS token, attempt, max_attempts, type, worker_id
FROM tasks AS task
WHERE {is_lost}
ORDER BY task.id
LIMIT %(limit)s
