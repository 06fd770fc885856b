state = CASE WHEN outcome.retry_in_s IS NOT NULL AND cancel_requested_at IS NOT NULL THEN 'cancelled'
                     ELSE outcome.state END,
        finished_at = CASE WHEN outcome.retry_in_s IS NULL OR cancel_requested_at IS NOT NULL
                           THEN clock_timestamp() END,
        next_attempt_at = CASE WHEN outcome.retry_in_s IS NOT NULL AND cancel_requested_at IS NULL
                               THEN clock_timestamp() + make_interval(secs => outcome.retry_in_s) END,
        error = outcome.error::jsonb,
        lease_expires_at = NULL
