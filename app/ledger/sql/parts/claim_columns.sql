id::text, type, payload::text, attempt, max_attempts, timeout_s, execute_at
