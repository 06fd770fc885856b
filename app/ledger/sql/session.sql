-- The values of settings on this connection. Times are in milliseconds. The order of day and month in
-- DateStyle does not matter.
SELECT name, CASE name WHEN 'DateStyle' THEN split_part(setting, ',', 1) ELSE setting END AS setting
FROM pg_settings
WHERE name = ANY(%(names)s::text[])
