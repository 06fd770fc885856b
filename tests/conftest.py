"""The servers, started once per session on free ports; clean tables and an empty Redis for each test."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from app.config import Settings, read_settings
from app.connections import connect_postgres, connect_redis
from app.operations import Operations
from app.schedule.schedule import Schedule
from app.task_types import TaskTypes, load_task_types
from local import postgres, valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis
    from sqlalchemy import Engine

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, str]]:
    """A real Postgres at the head of the migrations, and a real Valkey; their URLs by variable name."""
    with tempfile.TemporaryDirectory(prefix="punctual-tests-") as folder:
        Path(folder).chmod(0o755)
        store = postgres.start(Path(folder, "postgres"), fast=True)
        cache = valkey.start(Path(folder, "valkey"), fast=True)
        urls = {"DATABASE_URL": store.url, "REDIS_URL": cache.url}
        os.environ.update(urls)
        command.upgrade(Config(str(ROOT / "alembic.ini")), "head")
        yield urls
        store.discard()
        cache.discard()


@pytest.fixture(scope="session")
def settings(servers: dict[str, str]) -> Settings:
    """The settings of the test servers, with the test types beside the built-in ones."""
    return read_settings(
        servers | {"TASK_MODULES": "workers.handlers,tests.handlers", "EXTERNAL_TASK_TYPES": "outside"}
    )


@pytest.fixture(scope="session")
def types(settings: Settings) -> TaskTypes:
    """All types of the tests: built-in, those of `tests.handlers`, and `outside`, which only outside workers run."""
    return load_task_types(settings)


@pytest.fixture(scope="session")
def session_engine(settings: Settings) -> Iterator[Engine]:
    """One engine for all tests of the session."""
    engine = connect_postgres(settings, name="tests")
    yield engine
    engine.dispose()


@pytest.fixture
def engine(session_engine: Engine) -> Engine:
    """Postgres with empty tables."""
    with session_engine.connect() as connection:
        connection.execute(text("TRUNCATE tasks, workers"))
    return session_engine


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    """An empty Redis."""
    client = connect_redis(settings, timeout_s=5)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def schedule(redis: Redis) -> Schedule:
    """The schedule in an empty Redis."""
    return Schedule(redis)


@pytest.fixture
def operations(engine: Engine, schedule: Schedule, types: TaskTypes, settings: Settings) -> Operations:
    """Both stores, empty."""
    return Operations(engine, schedule, types, window_s=settings.schedule_window_s)
