-- Delete the rows of lost workers that hold no task.
DELETE FROM workers
WHERE heartbeat_at < clock_timestamp() - make_interval(secs => %(older_than_s)s)
  AND NOT EXISTS (SELECT 1 FROM tasks WHERE state = 'running' AND tasks.worker_id = workers.id)
