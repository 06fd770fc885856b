"""A column for the reason why a worker runs no or fewer tasks, written by its heartbeat. Earlier releases ignore it."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column without rewriting the table."""
    op.execute("ALTER TABLE workers ADD COLUMN trouble text")
