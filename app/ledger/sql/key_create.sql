-- Insert a key that expires after a number of seconds by this database's clock, or never (null).
INSERT INTO api_keys (id, name, secret_sha256, scopes, max_pending, expires_at)
VALUES (%(id)s, %(name)s, %(secret_sha256)s, %(scopes)s::text[], %(max_pending)s,
        clock_timestamp() + make_interval(secs => %(expires_in_s)s::float8))
RETURNING {key_columns}
