-- Deleted is deleted: only what never began, decided in this one statement.
UPDATE tasks
SET state = 'deleted', deleted_at = clock_timestamp()
WHERE id = %(id)s AND state::text = 'scheduled' AND attempt = 0
RETURNING {task}
