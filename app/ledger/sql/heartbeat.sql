-- Renew the row of a worker process. Returns those of its running tasks that are to be cancelled.
WITH beat AS (
    INSERT INTO workers (id, queue, slots, trouble)
    VALUES (%(id)s, %(queue)s, %(slots)s, %(trouble)s)
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp(), trouble = excluded.trouble
)
SELECT id::text
FROM tasks
WHERE state = 'running' AND worker_id = %(id)s AND cancel_requested_at IS NOT NULL
