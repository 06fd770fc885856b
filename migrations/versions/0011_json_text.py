"""Payload and result as `json`, which keeps the text, instead of `jsonb`, which normalizes numbers and sorts keys."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
FULL_STOP = "it rewrites the table of tasks, and prepared statements of earlier releases fail until they connect again."

# The table is rewritten under a lock, as in 0007. Processes of the previous release can continue to write, because
# Postgres converts `jsonb` to `json` in assignments. Their prepared statements that return these columns fail until
# they connect again.
COLUMNS = """
ALTER TABLE tasks
    ALTER COLUMN payload TYPE json USING payload::json,
    ALTER COLUMN result TYPE json USING result::json
"""


def upgrade() -> None:
    """Change both columns in one rewrite of the table."""
    op.execute(COLUMNS)
