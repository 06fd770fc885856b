"""Servers on free ports, started once per session; empty tables and an empty Redis for each test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
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
    from sqlalchemy import Engine

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def owners() -> Iterator[dict[str, str]]:
    """A migrated Postgres and a Valkey; their URLs, by variable name, for users with all rights."""
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
    """The URLs of the same servers, by variable name, for the restricted users of the service's processes."""
    urls = {"DATABASE_URL": as_role(owners["DATABASE_URL"]), "REDIS_URL": as_user(owners["REDIS_URL"])}
    os.environ.update(urls)
    return urls


@pytest.fixture(scope="session")
def settings(servers: dict[str, str]) -> Settings:
    """Settings with the test servers, and with the test types beside the built-in ones."""
    return read_settings(
        servers
        | {"TASK_MODULES": "workers.handlers,tests.handlers", "EXTERNAL_TASK_TYPES": "outside", "HOST": "127.0.0.1"}
    )


@pytest.fixture(scope="session")
def types(settings: Settings) -> TaskTypes:
    """All types of the tests: the built-in ones, those of `tests.handlers`, and the external type `outside`."""
    return load_task_types(settings)


@pytest.fixture(scope="session")
def session_engine(settings: Settings) -> Iterator[Engine]:
    """An engine for all tests of the session."""
    engine = connect_postgres(settings, name="tests")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def owner(owners: dict[str, str]) -> Iterator[Engine]:
    """An engine for the owner of the tables, who may change and truncate them."""
    engine = connect_postgres(read_settings(owners), name="owner", pool=2)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(session_engine: Engine, owner: Engine) -> Engine:
    """An engine on empty tables."""
    with owner.connect() as connection:
        connection.execute(text("TRUNCATE tasks, workers, counters, api_keys"))
    return session_engine


@pytest.fixture
def harm(owners: dict[str, str]) -> Iterator[Redis]:
    """Redis for a user with all rights; its keys contain the prefix."""
    with Redis.from_url(owners["REDIS_URL"], socket_timeout=5) as client:
        yield client


@pytest.fixture
def redis(settings: Settings, harm: Redis) -> Iterator[Redis]:
    """An empty Redis for the service's user; the prefix is added to its keys."""
    harm.flushall()
    with connect_redis(settings, timeout_s=5) as client:
        yield client


@pytest.fixture
def due_set(redis: Redis) -> DueSet:
    """The due set in an empty Redis."""
    return DueSet(redis)


@pytest.fixture
def operations(engine: Engine, due_set: DueSet, types: TaskTypes, settings: Settings) -> Operations:
    """Operations on empty servers."""
    return Operations(engine, due_set, types, window_s=settings.schedule_window_s)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the choices of tests that choose at random."""
    for report in terminalreporter.stats.get("", []):  # the reports of teardowns
        lines = [value for name, value in report.user_properties if name == "tried"]
        if lines:
            terminalreporter.section(report.nodeid.rpartition("/")[2], sep="-")
            for line in lines:
                terminalreporter.line(line)
