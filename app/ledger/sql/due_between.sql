-- Scheduled tasks of one type due in [after, until), in order, one page; `after_id` resumes within one instant.
-- ORDER BY names the column `tasks.id`: a bare `id` is the text that is selected, which no index has in order.
SELECT id::text, type, coalesce(next_attempt_at, execute_at)
FROM tasks
WHERE state = 'scheduled'
  AND type = %(type)s
  AND (coalesce(next_attempt_at, execute_at), id) > (%(after)s::timestamptz, %(after_id)s::uuid)
  AND coalesce(next_attempt_at, execute_at) < %(until)s::timestamptz
ORDER BY coalesce(next_attempt_at, execute_at), tasks.id
LIMIT %(limit)s
