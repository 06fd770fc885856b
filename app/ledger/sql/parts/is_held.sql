(task.state = 'running' AND (task.lease_expires_at IS NULL OR task.lease_expires_at > clock_timestamp()))
