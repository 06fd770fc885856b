"""Storage and autovacuum settings for a large table whose newest rows are updated three times."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

# Full pages: no update of a task is HOT, so that room in them saves no index anything; claim and finish are as fast
# without, and a task takes a twentieth less. Inserts count for vacuum at a twentieth of the table, not at a fifth:
# where all see a page, counts read only the index. The measurements are in docs/performance.md.
TIDY = """
ALTER TABLE tasks SET (
    fillfactor = 100,
    autovacuum_vacuum_insert_scale_factor = 0.05
)
"""


def upgrade() -> None:
    """Change settings only: nothing is rewritten, and no lock is held."""
    op.execute(TIDY)
