-- Count the tasks that have an id in this range, up to a limit.
SELECT count(*)
FROM (SELECT FROM tasks WHERE id BETWEEN %(first)s AND %(last)s LIMIT %(most)s) AS found
