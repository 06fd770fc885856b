-- The last heartbeat of each worker process. It is compared only with earlier values, because the clock may be set.
SELECT id, heartbeat_at
FROM workers
