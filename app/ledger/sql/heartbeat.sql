-- One row per worker process, renewed every few seconds.
INSERT INTO workers (id, queue, slots)
VALUES (%(id)s, %(queue)s, %(slots)s)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp()
