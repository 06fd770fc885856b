-- How many tasks of each type are in each state, counted up to a bound; the function is in the migration 0002.
SELECT state, type, number
FROM count_tasks(%(types)s::text[], %(most)s)
