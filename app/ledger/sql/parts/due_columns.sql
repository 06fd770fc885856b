task.id::text, task.type, task.due_at AS at
