-- Retention of final tasks: one batch of one state and type. A task ends after its execute_at, so the index on
-- execute_at finds it. Locked rows are skipped. An index scan can end at now(): with clock_timestamp() the last batch
-- would read all final tasks.
DELETE FROM tasks
WHERE id IN (
    SELECT id
    FROM tasks
    WHERE state = %(state)s
      AND state <> 'running' AND state <> 'scheduled'
      AND type = %(type)s
      AND execute_at < now() - make_interval(secs => %(older_than_s)s)
      AND finished_at < now() - make_interval(secs => %(older_than_s)s)
    ORDER BY execute_at, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
