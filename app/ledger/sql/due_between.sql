-- One page, in order, of the scheduled tasks of a type that are due in [after, until). `after_id` resumes within an
-- instant.
SELECT {due_columns}
FROM tasks AS task
WHERE state = 'scheduled'
  AND type = %(type)s
  AND (due_at, id) > (%(after)s::timestamptz, %(after_id)s::uuid)
  AND due_at < %(until)s::timestamptz
ORDER BY task.due_at, task.id  -- `id` alone would be the selected text, by which no index is ordered
LIMIT %(limit)s
