-- Count starts before their time. A partial index holds nothing else.
SELECT count(*)
FROM (SELECT FROM tasks WHERE lag_ms < 0 LIMIT %(most)s) AS early
