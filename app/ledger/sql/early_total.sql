-- Starts before their time; an index holds nothing else.
SELECT count(*)
FROM (SELECT FROM tasks WHERE lag_ms < 0 LIMIT %(most)s) AS early
