-- Attempts that nothing runs any more. A worker of ours is dead when its heartbeat is too old or gone, an outside worker
-- when its lease is over. A task long over its time is lost, too, though its worker lives: the worker killed it and
-- reported that, and a failover took the report back. Rows that another sweeper settles just now are its business.
SELECT id::text, claim_token::text AS token, attempt, max_attempts, type, worker_id
FROM tasks AS task
WHERE {lost}
ORDER BY task.id
LIMIT %(limit)s
