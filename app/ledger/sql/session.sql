-- The values of settings on this connection. Times are in milliseconds.
SELECT name, setting FROM pg_settings WHERE name = ANY(%(names)s::text[])
