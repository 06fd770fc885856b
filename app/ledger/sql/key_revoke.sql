-- Revoke a key. Repeating it changes nothing and returns the same.
UPDATE api_keys
SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE id = %(id)s
RETURNING {key_columns}
