-- The values of settings on this connection. Times are in milliseconds. Of DateStyle only the format is compared, not
-- the order of day and month.
SELECT name, CASE name WHEN 'DateStyle' THEN split_part(setting, ',', 1) ELSE setting END AS setting
FROM pg_settings
WHERE name = ANY(%(names)s::text[])
