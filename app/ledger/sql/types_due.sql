-- The types of which something is scheduled and due before an instant; the earliest first.
SELECT type
FROM waiting_types()
WHERE first_at < %(until)s::timestamptz
ORDER BY first_at, type
