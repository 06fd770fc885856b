"""Claims as Postgres sees them: a claim waits while a test holds a lock on its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from tests.acceptance.service import Service

CLAIM_WAITS = """
SELECT count(*) > 0 FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'punctual worker' AND wait_event_type = 'Lock'
"""


def claim_waits(service: Service) -> bool:
    """Return whether a claim waits for a lock."""
    with psycopg.connect(service.database_url) as connection:
        row = connection.execute(CLAIM_WAITS).fetchone()
        return bool(row and row[0])
