-- Count the tasks of each type by state, up to a limit.
SELECT state, type, number
FROM count_tasks(%(types)s::text[], %(most)s)
