-- The last heartbeat of each worker process. Only compared with what was read before, because a clock may be set.
SELECT id, heartbeat_at
FROM workers
