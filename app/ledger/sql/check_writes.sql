-- Change nothing. Postgres refuses this in a session that is read-only.
DELETE FROM workers
WHERE false
