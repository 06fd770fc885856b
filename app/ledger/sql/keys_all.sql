-- All keys ever made, and whether each opens something now.
SELECT id, name, scopes, max_pending, created_at, expires_at, revoked_at,
       revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
FROM api_keys
ORDER BY created_at, id
