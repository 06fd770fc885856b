-- All keys ever made, and whether each is valid now.
SELECT {key_columns},
       revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp()) AS valid
FROM api_keys
ORDER BY created_at, id
