-- Changes nothing. Postgres refuses this in a read-only session.
DELETE FROM workers
WHERE false
