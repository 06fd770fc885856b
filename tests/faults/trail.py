"""All changes of task rows, recorded by a trigger in Postgres and therefore complete.

Instants are those of the machine's clock; `ahead_s` is how far ahead of it the clock of the statements was.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg

from tests.faults.history import Change, Row

CONNECT_S = 5
BATCH = 20_000
# A commit must survive an immediate shutdown, which loses what is in memory; `fsync` may be off.
INSTALL = """
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END $$;
CREATE TABLE trail (
    seq bigserial PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    task_id uuid NOT NULL,
    old_state text, new_state text, old_attempt int, attempt int,
    due timestamptz, worker_id text, error text, ahead_s numeric NOT NULL
);
CREATE FUNCTION write_trail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO trail (task_id, old_state, new_state, old_attempt, attempt, due, worker_id, error, ahead_s)
    VALUES (coalesce(NEW.id, OLD.id), OLD.state, NEW.state, OLD.attempt, NEW.attempt,
            coalesce(OLD.next_attempt_at, OLD.execute_at), coalesce(NEW.worker_id, OLD.worker_id),
            NEW.error ->> 'type', round(extract(epoch FROM clock_timestamp() - pg_catalog.clock_timestamp()), 1));
    RETURN NULL;
END $$;
CREATE TRIGGER trail AFTER INSERT OR UPDATE OR DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION write_trail();
"""
CHANGES = """
SELECT extract(epoch FROM at)::float8, task_id::text, old_state, new_state, coalesce(old_attempt, 0),
       coalesce(attempt, 0), coalesce(extract(epoch FROM due) - ahead_s, 0)::float8, worker_id, error
FROM trail ORDER BY seq
"""
TASKS = """
SELECT id::text, type, state, extract(epoch FROM execute_at)::float8, attempt, max_attempts,
       (payload ->> 'serial')::int, error ->> 'type'
FROM tasks
"""
CLAIMS_LOST = "SELECT coalesce(max(value), 0) FROM counters WHERE name = 'claims_lost'"
UNFINISHED = "SELECT count(*) FROM tasks WHERE state IN ('scheduled', 'running')"


class Trail:
    """The trail of one database."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(INSTALL)

    def unfinished(self) -> int | None:
        """Return how many tasks are not final; None if Postgres does not answer."""
        try:
            with psycopg.connect(self._url, connect_timeout=CONNECT_S) as connection:
                row = connection.execute(UNFINISHED).fetchone()
        except psycopg.Error:
            time.sleep(0.1)
            return None
        return None if row is None else int(row[0])

    def claims_lost(self) -> int:
        """Return how many ids were claimed in vain, from counters that may be a second old."""
        ((value,),) = self._rows(CLAIMS_LOST)
        return int(value)

    def changes(self) -> list[Change]:
        """Return all changes in the order in which they were made."""
        return [Change(*row) for row in self._rows(CHANGES)]

    def tasks(self) -> dict[str, Row]:
        """Return all tasks by id."""
        return {row[0]: Row(*row) for row in self._rows(TASKS)}

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        with psycopg.connect(self._url, connect_timeout=CONNECT_S) as connection, connection.cursor("rows") as cursor:
            cursor.itersize = BATCH
            yield from cursor.execute(query.encode())
