"""Tasks may be due at any instant of the years 1 to 9999, as RFC 3339 writes them."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

# Not validated, so that no row is read under the lock: all rows already satisfy the narrower bounds of 0001.
BOUNDS = """
ALTER TABLE tasks
    DROP CONSTRAINT execute_at_is_sane,
    ADD CONSTRAINT execute_at_is_sane CHECK
        (execute_at >= '0001-01-01T00:00:00Z' AND execute_at < '10000-01-01T00:00:00Z') NOT VALID
"""


def upgrade() -> None:
    """Widen the bounds of execute_at. Earlier releases work with the new bounds."""
    op.execute(BOUNDS)
