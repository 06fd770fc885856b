"""Alembic's entry point: migrate the schema to its head, one process at a time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from app.config import read_settings

ONE_MIGRATION_AT_A_TIME = 7_094_231_001


def migrate() -> None:
    """Run all missing migrations in one transaction, under an advisory lock that ends with it.

    So they also run through a pooler. The limits of the role are lifted, because building an index may take longer.
    """
    settings = read_settings()
    engine = create_engine(
        settings.database_url,
        poolclass=pool.NullPool,
        hide_parameters=True,
        connect_args={"prepare_threshold": None},
    )
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_MIGRATION_AT_A_TIME})
        if settings.database_schema:
            _use_schema(connection, settings.database_schema)
        context.configure(connection=connection, version_table_schema=settings.database_schema or None)
        with context.begin_transaction():
            context.run_migrations()


def _use_schema(connection: Connection, name: str) -> None:
    """Create the schema only if it is missing, because its owner may lack that right; put everything into it."""
    if connection.execute(text("SELECT to_regnamespace(:name)"), {"name": f'"{name}"'}).scalar_one() is None:
        connection.execute(text(f'CREATE SCHEMA "{name}"'))
    connection.execute(text(f'SET LOCAL search_path = "{name}"'))


migrate()
