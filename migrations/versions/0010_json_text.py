"""Payload and result as `json`, which keeps the text, instead of `jsonb`, which normalises numbers and orders keys."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

# The table is rewritten under a lock, as in 0007. Processes of the release before can go on writing: Postgres converts
# `jsonb` to `json` in assignments. Their prepared statements that return these columns fail until they connect anew.
COLUMNS = """
ALTER TABLE tasks
    ALTER COLUMN payload TYPE json USING payload::json,
    ALTER COLUMN result TYPE json USING result::json
"""


def upgrade() -> None:
    """Change both columns in one rewrite of the table."""
    op.execute(COLUMNS)
