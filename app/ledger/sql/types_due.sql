-- The types of which something is scheduled and due before an instant, and when the first is; the earliest first.
SELECT type, first_at
FROM waiting_types()
WHERE first_at < %(until)s::timestamptz
ORDER BY first_at, type
