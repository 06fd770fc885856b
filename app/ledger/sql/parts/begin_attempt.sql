state = 'running',
    attempt = attempt + 1,
    claim_token = %(token)s::uuid,
    worker_id = %(worker_id)s,
    started_at = clock_timestamp(),
    lag_ms = coalesce(lag_ms, date_part('epoch', clock_timestamp() - execute_at) * 1000),
    next_attempt_at = NULL
