id, name, scopes, max_pending, created_at, expires_at, revoked_at
