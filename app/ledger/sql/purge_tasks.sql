-- Retention of what ended, one bounded batch of one state and type. A task ends after its time, so the order of time
-- finds it; rows that others hold are skipped, nothing waits for this. now(), at which the index can end: with
-- clock_timestamp() the last batch would read all that is over.
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
