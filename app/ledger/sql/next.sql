-- The earliest scheduled task of these types (null: of all types). It is not claimed.
SELECT {task}
FROM unnest(coalesce(%(types)s::text[], (SELECT array_agg(type) FROM waiting_types()))) AS wanted (wanted_type), LATERAL (
    SELECT {task}, due_at
    FROM tasks
    WHERE state = 'scheduled' AND type = wanted_type
    ORDER BY due_at, id
    LIMIT 1
) AS first
ORDER BY due_at, id
LIMIT 1
