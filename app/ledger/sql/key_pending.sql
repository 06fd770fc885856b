-- Count the scheduled tasks of a key, up to a limit.
SELECT count(*)
FROM (SELECT 1 FROM tasks WHERE created_by = %(id)s AND state = 'scheduled' LIMIT %(at_most)s) AS waiting
