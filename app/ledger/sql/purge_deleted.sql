-- Retention of deleted tasks. They may have been deleted long before their time, so an index on `deleted_at` finds
-- them.
DELETE FROM tasks
WHERE id IN (
    SELECT id
    FROM tasks
    WHERE state = 'deleted' AND deleted_at < now() - make_interval(secs => %(older_than_s)s)
    ORDER BY deleted_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
