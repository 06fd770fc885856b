-- All workers, and the time since the last heartbeat of each. A heartbeat in the future was written before the clock
-- was set back. It counts as old, too, because a worker that lives replaces it within seconds.
SELECT id, queue, slots, abs(extract(epoch FROM clock_timestamp() - heartbeat_at))::float8 AS silent_s, trouble
FROM workers
ORDER BY queue, id
