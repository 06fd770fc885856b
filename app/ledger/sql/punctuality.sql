-- How late those began that were due lately, the latest so many of them: all together (type is null), and by type. now(),
-- which the index can begin at: a clock that moves on within the statement would be compared with every row.
SELECT type, count(*), min(execute_at), percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY lag_ms)
FROM (
    SELECT type, execute_at, lag_ms
    FROM tasks
    WHERE execute_at BETWEEN now() - make_interval(secs => %(window_s)s) AND now()
    ORDER BY execute_at DESC, id DESC
    LIMIT %(most)s
) AS lately
WHERE lag_ms IS NOT NULL
GROUP BY GROUPING SETS ((), (type))
ORDER BY type NULLS FIRST
