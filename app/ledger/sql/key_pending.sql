-- How many tasks of a key wait to run, counted no further than asked.
SELECT count(*)
FROM (SELECT 1 FROM tasks WHERE created_by = %(id)s AND state = 'scheduled' LIMIT %(at_most)s) AS waiting
