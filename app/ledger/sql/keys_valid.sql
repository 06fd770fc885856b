-- The valid keys, the newest first, each with the hash of its secret.
SELECT {key_columns}, secret_sha256
FROM api_keys
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
ORDER BY created_at DESC
LIMIT %(limit)s
