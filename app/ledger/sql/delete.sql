-- Delete a task, only if it never began. This one statement decides.
UPDATE tasks
SET state = 'deleted', deleted_at = clock_timestamp()
WHERE id = %(id)s AND state IS NOT DISTINCT FROM 'scheduled' AND attempt = 0
RETURNING {task}
