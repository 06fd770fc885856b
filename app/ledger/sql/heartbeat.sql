-- Renew the row of a worker process. Returns those of its running tasks that are to be cancelled.
WITH beat AS (
    INSERT INTO workers (id, queue, slots)
    VALUES (%(id)s, %(queue)s, %(slots)s)
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp()
)
SELECT id::text
FROM tasks
WHERE state = 'running' AND worker_id = %(id)s AND cancel_requested_at IS NOT NULL
