-- Scheduled tasks that should have begun, counted up to a bound, and how late the oldest of them is, in seconds.
SELECT number AS tasks, coalesce(extract(epoch FROM clock_timestamp() - oldest), 0)::float8 AS oldest_s
FROM count_overdue(%(most)s)
