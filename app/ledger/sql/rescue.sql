-- What a dead worker held: failed with a name, or scheduled again when attempts are left. Dead is a worker of ours
-- whose heartbeat is too old or gone, and an outside worker whose lease is over. A task long over its time is lost, too,
-- though its worker lives: the worker killed it and said so, and a failover took back what it said.
WITH lost AS (
    SELECT id
    FROM tasks
    WHERE state = 'running'
      AND CASE WHEN lease_expires_at IS NOT NULL THEN lease_expires_at < clock_timestamp()
               ELSE started_at < clock_timestamp() - make_interval(secs => timeout_s + %(forgotten_after_s)s)
                 OR NOT EXISTS (
                   SELECT 1 FROM workers
                   WHERE workers.id = tasks.worker_id
                     AND heartbeat_at > clock_timestamp() - make_interval(secs => %(dead_after_s)s)) END
    ORDER BY id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE tasks AS task
SET state = CASE WHEN attempt < max_attempts THEN 'scheduled'::task_state ELSE 'failed' END,
    finished_at = CASE WHEN attempt >= max_attempts THEN clock_timestamp() END,
    next_attempt_at = CASE WHEN attempt < max_attempts THEN clock_timestamp() END,
    error = jsonb_build_object('type', 'worker_lost', 'message', 'The worker that ran this task disappeared.',
                               'attempt', attempt),
    claim_token = NULL,
    lease_expires_at = NULL
FROM lost
WHERE task.id = lost.id
RETURNING task.id::text, task.type, task.state, task.next_attempt_at, task.worker_id
