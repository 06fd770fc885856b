"""The servers, started once per session on free ports; clean tables and an empty Redis for each test."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from redis import Redis
from sqlalchemy import text

from app.broker.due_set import DueSet
from app.config import Settings, read_settings
from app.connections import connect_postgres, connect_redis
from app.operations import Operations
from app.task_types import TaskTypes, load_task_types
from local import postgres, valkey
from tests.restricted import acl_line, as_role, as_user, restrict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def owners() -> Iterator[dict[str, str]]:
    """A real Postgres at the head of the migrations, and a real Valkey; the URLs of those who may do anything there."""
    with tempfile.TemporaryDirectory(prefix="punctual-tests-") as folder:
        Path(folder).chmod(0o755)
        store = postgres.start(Path(folder, "postgres"), fast=True)
        cache = valkey.start(Path(folder, "valkey"), fast=True, more=[acl_line()])
        urls = {"DATABASE_URL": store.url, "REDIS_URL": cache.url}
        os.environ.update(urls)
        command.upgrade(Config(str(ROOT / "alembic.ini")), "head")
        restrict(store.url)
        yield urls
        store.discard()
        cache.discard()


@pytest.fixture(scope="session")
def servers(owners: dict[str, str]) -> dict[str, str]:
    """The same servers for the service's own processes, which may do only what they need; URLs by variable name."""
    urls = {"DATABASE_URL": as_role(owners["DATABASE_URL"]), "REDIS_URL": as_user(owners["REDIS_URL"])}
    os.environ.update(urls)
    return urls


@pytest.fixture(scope="session")
def settings(servers: dict[str, str]) -> Settings:
    """The settings of the test servers, with the test types beside the built-in ones."""
    return read_settings(
        servers
        | {"TASK_MODULES": "workers.handlers,tests.handlers", "EXTERNAL_TASK_TYPES": "outside", "HOST": "127.0.0.1"}
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


@pytest.fixture(scope="session")
def owner(owners: dict[str, str]) -> Iterator[Engine]:
    """Postgres for the owner of the tables, who may change and empty them."""
    engine = connect_postgres(read_settings(owners), name="owner", pool=2)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(session_engine: Engine, owner: Engine) -> Engine:
    """Postgres with empty tables."""
    with owner.connect() as connection:
        connection.execute(text("TRUNCATE tasks, workers, counters, api_keys"))
    return session_engine


@pytest.fixture
def harm(owners: dict[str, str]) -> Iterator[Redis]:
    """Redis for somebody who may do anything there, with keys as they are: with the prefix."""
    with Redis.from_url(owners["REDIS_URL"], socket_timeout=5) as client:
        yield client


@pytest.fixture
def redis(settings: Settings, harm: Redis) -> Iterator[Redis]:
    """An empty Redis, as the service's processes see it: keys without the prefix."""
    harm.flushall()
    with connect_redis(settings, timeout_s=5) as client:
        yield client


@pytest.fixture
def due_set(redis: Redis) -> DueSet:
    """The due set in an empty Redis."""
    return DueSet(redis)


@pytest.fixture
def operations(engine: Engine, due_set: DueSet, types: TaskTypes, settings: Settings) -> Operations:
    """Both stores, empty."""
    return Operations(engine, due_set, types, window_s=settings.schedule_window_s)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was tried by tests that draw what they try."""
    for report in terminalreporter.stats.get("", []):  # where pytest puts the end of a test
        lines = [value for name, value in report.user_properties if name == "tried"]
        if lines:
            terminalreporter.section(report.nodeid.rpartition("/")[2], sep="-")
            for line in lines:
                terminalreporter.line(line)
