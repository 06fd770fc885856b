-- How many tasks have an id in this range, counted up to a bound.
SELECT count(*)
FROM (SELECT FROM tasks WHERE id BETWEEN %(first)s AND %(last)s LIMIT %(most)s) AS found
