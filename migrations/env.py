"""Alembic's entry: bring the schema to its head, one process at a time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

from app.config import read_settings

ONE_MIGRATION_AT_A_TIME = 7_094_231_001


def migrate() -> None:
    """Run all missing migrations in one transaction, under an advisory lock that ends with it.

    So they run through a pooler, too. The role's own limits are for the service: building an index may take longer.
    """
    engine = create_engine(
        read_settings().database_url,
        poolclass=pool.NullPool,
        hide_parameters=True,
        connect_args={"prepare_threshold": None},
    )
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_MIGRATION_AT_A_TIME})
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()


migrate()
