"""Alembic's entry point: migrate the schema to its head, one process at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from alembic.script.revision import RevisionError
from sqlalchemy import Connection, Engine, create_engine, event, pool, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.config import read_settings
from app.postgres_sessions import ENCODING, UnsuitableServer, refuse_unsuitable, session_settings
from app.reasons import reason_of
from app.start import sentence_instead_of_traceback

ONE_MIGRATION_AT_A_TIME = 7_094_231_001
CONNECT_TIMEOUT_S = 10
LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
SET_LOCAL = text(
    "SELECT set_config(name, value, true) FROM unnest(CAST(:names AS text[]), CAST(:values AS text[]))"
    " AS asked (name, value) WHERE current_setting(name, true) IS NOT NULL"
)
READ_ONLY = "25006"


def migrate() -> None:
    """Run all missing migrations in one transaction, under an advisory lock that ends with it.

    Therefore they also run through a pooler. The time limits are lifted, because building an index may take longer.
    """
    settings = read_settings()
    engine = create_engine(
        settings.database_url,
        poolclass=pool.NullPool,
        hide_parameters=True,
        isolation_level="READ COMMITTED",  # a second release sees what the first has migrated
        connect_args={"prepare_threshold": None, "client_encoding": ENCODING, "connect_timeout": CONNECT_TIMEOUT_S},
    )
    event.listen(engine, "connect", lambda driver, _: refuse_unsuitable(driver))
    with _connected(engine) as connection, connection.begin():
        asked = session_settings(settings) | dict.fromkeys(LIMITS, "0") | {"lock_timeout": "10s"}
        connection.execute(SET_LOCAL, {"names": list(asked), "values": list(asked.values())})
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_MIGRATION_AT_A_TIME})
        if settings.database_schema:
            _use_schema(connection, settings.database_schema)
        context.configure(connection=connection, version_table_schema=settings.database_schema or None)
        migrations = context.get_context()
        before = migrations.get_current_revision()
        _say_what_is_missing(before)
        with context.begin_transaction():
            context.run_migrations()
        after = migrations.get_current_revision()
    _say(f"the schema is at {after}, nothing to do" if before == after else f"done, the schema is at {after}")


def _say_what_is_missing(present: str | None) -> None:
    """Print each migration that will run, and which of them need a full stop.

    A new database needs none. The rule is in docs/upgrading.md.
    """
    try:
        missing = list(context.script.iterate_revisions("head", present or "base"))
    except RevisionError:
        sys.exit(f"The release does not run: the schema is at {present}, which this release does not know.")
    for each in reversed(missing):
        stop = getattr(each.module, "FULL_STOP", None) if present else None
        _say(f"{each.revision} {each.doc}" + (f" It needs a full stop of all processes: {stop}" if stop else ""))


def _say(line: str) -> None:
    print(f"release: {line}", flush=True)  # noqa: T201


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    """Connect, or exit with one sentence. The message of the driver is not printed, because it quotes the address."""
    try:
        connection = engine.connect()
    except DBAPIError as trouble:
        if isinstance(trouble.orig, UnsuitableServer):
            sys.exit(f"The release does not run: {trouble.orig}")
        sys.exit(f"The release does not run: Postgres at DATABASE_URL cannot be used ({reason_of(trouble)}).")
    except SQLAlchemyError as trouble:
        sys.exit(f"The release does not run: Postgres at DATABASE_URL cannot be used ({reason_of(trouble)}).")
    with connection:
        yield connection


def _use_schema(connection: Connection, name: str) -> None:
    """Create the schema if it is missing, and use it. The role may lack the right to create one that exists."""
    if connection.execute(text("SELECT to_regnamespace(:name)"), {"name": f'"{name}"'}).scalar_one() is None:
        connection.execute(text(f'CREATE SCHEMA "{name}"'))
    connection.execute(text(f'SET LOCAL search_path = "{name}"'))


def migrate_or_exit() -> None:
    """Migrate. If this server or database cannot be migrated, exit with one sentence."""
    try:
        with sentence_instead_of_traceback("release"):
            migrate()
    except DBAPIError as refused:
        if getattr(refused.orig, "sqlstate", None) == READ_ONLY:
            sys.exit("The release does not run: Postgres is read-only.")
        raise


migrate_or_exit()
