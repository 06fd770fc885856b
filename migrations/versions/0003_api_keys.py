"""API keys, of which only the hash is stored."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

API_KEYS = """
CREATE TABLE api_keys (
    id             uuid        PRIMARY KEY,
    name           text        NOT NULL,
    secret_sha256  bytea       NOT NULL UNIQUE CHECK (octet_length(secret_sha256) = 32),
    scopes         text[]      NOT NULL CHECK (cardinality(scopes) > 0
                                               AND scopes <@ ARRAY['read', 'write', 'worker', 'admin']),
    max_pending    bigint      CHECK (max_pending >= 0),
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at     timestamptz,
    revoked_at     timestamptz
)
"""

# The key that created a task, to count its pending tasks. Null, and not in the index, if no key is required.
TASKS_BY_KEY = (
    "ALTER TABLE tasks ADD COLUMN created_by uuid",
    "CREATE INDEX tasks_by_key ON tasks (created_by) WHERE state = 'scheduled' AND created_by IS NOT NULL",
)


def upgrade() -> None:
    """Create the table, and the column that names the key."""
    for statement in (API_KEYS, *TASKS_BY_KEY):
        op.execute(statement)
