task.state = 'running'
  AND (task.lease_expires_at IS NULL AND NOT EXISTS (
         SELECT FROM workers
         WHERE workers.id = task.worker_id
           AND NOT EXISTS (
             SELECT FROM unnest(%(silent_ids)s::text[], %(silent_since)s::timestamptz[]) AS silent (id, heartbeat_at)
             WHERE silent.id = workers.id AND silent.heartbeat_at = workers.heartbeat_at))
       OR EXISTS (
         SELECT FROM unnest(%(over_ids)s::uuid[], %(over_tokens)s::uuid[], %(over_leases)s::timestamptz[])
                     AS over_time (id, token, lease_expires_at)
         WHERE over_time.id = task.id AND over_time.token = task.claim_token
           AND over_time.lease_expires_at IS NOT DISTINCT FROM task.lease_expires_at))
