"""Counters of what went wrong and was put right, added up over all processes; starts that were early."""

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

# Empty as long as the promise is kept, so it costs nothing, and neither does counting.
STARTED_EARLY = "CREATE INDEX tasks_started_early ON tasks (id) WHERE lag_ms < 0"


def upgrade() -> None:
    """Create the table and the index."""
    for statement in (COUNTERS, STARTED_EARLY):
        op.execute(statement)
