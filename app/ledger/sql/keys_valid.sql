-- Keys that open something now, the newest first, each with its hash behind the usual columns.
SELECT id, name, scopes, max_pending, created_at, expires_at, revoked_at, secret_sha256
FROM api_keys
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
ORDER BY created_at DESC
LIMIT %(limit)s
