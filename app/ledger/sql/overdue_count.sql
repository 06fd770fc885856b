-- Count the scheduled tasks that should have started, up to a limit, and how late the oldest is, in seconds.
SELECT number AS tasks, coalesce(extract(epoch FROM clock_timestamp() - oldest), 0)::float8 AS oldest_s
FROM count_overdue(%(most)s)
