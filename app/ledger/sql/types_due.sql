-- The types that have a scheduled task due before an instant, and when their first is due; the earliest first.
SELECT type, first_at
FROM waiting_types()
WHERE first_at < %(until)s::timestamptz
ORDER BY first_at, type
