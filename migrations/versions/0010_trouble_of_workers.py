"""What keeps a worker from running tasks, as its heartbeat says. Earlier releases ignore the column."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column, which rewrites nothing."""
    op.execute("ALTER TABLE workers ADD COLUMN trouble text")
