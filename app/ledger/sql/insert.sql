-- New tasks, many at once. A delay counts from this database's clock.
INSERT INTO tasks (id, type, execute_at, payload, timeout_s, max_attempts, created_by)
SELECT id, type,
       coalesce(execute_at, date_trunc('microseconds', clock_timestamp()) + make_interval(secs => delay_s)),
       payload::jsonb, timeout_s, max_attempts, created_by
FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(execute_ats)s::timestamptz[], %(delays_s)s::float8[],
            %(payloads)s::text[], %(timeouts_s)s::float8[], %(max_attempts)s::int[], %(created_by)s::uuid[])
     AS new (id, type, execute_at, delay_s, payload, timeout_s, max_attempts, created_by)
ON CONFLICT (id) DO NOTHING
RETURNING id, execute_at, created_at
