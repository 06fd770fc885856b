"""A clock of Postgres that can be set while the service runs.

All processes of the tests share the clock of one machine. So a schema that is searched before pg_catalog replaces the
two functions by which the statements of the service read the time.
"""

from __future__ import annotations

import psycopg

CONNECT_S = 5
INSTALL = """
CREATE SCHEMA settable;
CREATE TABLE settable.clock (ahead interval NOT NULL);
INSERT INTO settable.clock VALUES ('0');
CREATE FUNCTION settable.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM settable.clock';
CREATE FUNCTION settable.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.now() + ahead FROM settable.clock';
GRANT USAGE ON SCHEMA settable TO PUBLIC;
GRANT SELECT ON settable.clock TO PUBLIC;
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = settable, pg_catalog, public', current_database());
END $$;
ALTER TABLE tasks ALTER created_at SET DEFAULT settable.clock_timestamp();
ALTER TABLE workers ALTER started_at SET DEFAULT settable.clock_timestamp(),
    ALTER heartbeat_at SET DEFAULT settable.clock_timestamp();
"""
LIMITS = "-c lock_timeout=5s -c statement_timeout=5s"
SET = "UPDATE settable.clock SET ahead = make_interval(secs => %s)"


class PostgresClock:
    """The clock of one database. Sessions that are opened after the installation use it."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(INSTALL)

    def set(self, ahead_s: float) -> None:
        """Set it, relative to the machine's clock. No change of a task uses both values, so that `trail` is exact.

        Raises:
            psycopg.Error: Postgres does not answer.
        """
        with psycopg.connect(self._url, connect_timeout=CONNECT_S, options=LIMITS) as connection:
            connection.execute("LOCK TABLE tasks IN EXCLUSIVE MODE")
            connection.execute(SET, [ahead_s])
