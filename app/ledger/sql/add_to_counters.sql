-- Add counts to the totals, in the order of names, so that two processes cannot deadlock.
INSERT INTO counters (name, value)
SELECT name, number
FROM unnest(%(names)s::text[], %(numbers)s::bigint[]) AS counted (name, number)
ORDER BY name
ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value
