-- Delete the rows of lost workers without tasks: those with an old heartbeat that did not change while it was watched.
DELETE FROM workers
USING unnest(%(ids)s::text[], %(heartbeats)s::timestamptz[]) AS silent (id, heartbeat_at)
WHERE workers.id = silent.id AND workers.heartbeat_at = silent.heartbeat_at
  AND workers.heartbeat_at < clock_timestamp() - make_interval(secs => %(older_than_s)s)
  AND NOT EXISTS (SELECT 1 FROM tasks WHERE state = 'running' AND tasks.worker_id = workers.id)
