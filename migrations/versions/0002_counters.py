"""Counters of what went wrong and was put right, added up over all processes."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

COUNTERS = """
CREATE TABLE counters (
    name   text   PRIMARY KEY,
    value  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(COUNTERS)
