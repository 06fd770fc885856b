-- What is in force on this connection, of the settings that each session asks for; times in milliseconds.
SELECT name, setting FROM pg_settings WHERE name = ANY(%(names)s::text[])
