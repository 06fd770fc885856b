SELECT id, queue, slots, extract(epoch FROM clock_timestamp() - heartbeat_at)::float8 AS silent_s
FROM workers
ORDER BY queue, id
