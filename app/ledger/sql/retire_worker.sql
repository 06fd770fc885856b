-- Delete the row of a worker that has stopped and holds no task.
DELETE FROM workers
WHERE id = %(id)s
