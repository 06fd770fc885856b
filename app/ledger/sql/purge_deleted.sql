-- Retention of what was deleted, perhaps long before its time: the order of deletions finds it.
DELETE FROM tasks
WHERE id IN (
    SELECT id
    FROM tasks
    WHERE state = 'deleted' AND deleted_at < now() - make_interval(secs => %(older_than_s)s)
    ORDER BY deleted_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
