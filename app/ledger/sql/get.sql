SELECT {task}
FROM tasks
WHERE id = %(id)s
