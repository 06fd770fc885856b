task.state = 'running'
  AND CASE WHEN lease_expires_at IS NOT NULL THEN lease_expires_at < clock_timestamp()
           ELSE started_at < clock_timestamp() - make_interval(secs => timeout_s + %(forgotten_after_s)s)
             OR NOT EXISTS (
               SELECT FROM workers
               WHERE workers.id = task.worker_id
                 AND heartbeat_at > clock_timestamp() - make_interval(secs => %(dead_after_s)s)) END
