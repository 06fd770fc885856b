"""The API in front of the test servers, called without a network."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import structlog

from app.api.application import create_app
from app.api.services import services_of
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.task_types import TaskTypes


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_counted_in_another_test() -> Iterator[None]:
    """No test finds in Postgres what the one before has counted, nor what was kept for a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.counter_buffer.CounterBuffer.start", lambda _: None)
        patch.setattr("app.api.single_flight.KEEP_S", 0.0)
        yield


@pytest.fixture(scope="session")
def web(settings: Settings, types: TaskTypes) -> Iterator[Flask]:
    """The application as the web process makes it."""
    app = create_app(settings, types)
    yield app
    let_go(app)


def let_go(app: Flask) -> None:
    """Close its connections to Postgres."""
    services_of(app).engine.dispose()
    services_of(app).operations.creating.dispose()


@pytest.fixture
def _logs_as_before(web: Flask) -> Iterator[None]:
    """An application that a test makes logs to the stderr of that test: what logs first in a later one must not."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def another(
    settings: Settings, types: TaskTypes, engine: Engine, redis: Redis, _logs_as_before: None
) -> Iterator[Callable[..., FlaskClient]]:
    """Makes clients of applications with other settings; each logs to the stderr of the moment it is made in."""
    with ExitStack() as made:

        def make(**changed: Any) -> FlaskClient:
            app = create_app(msgspec.structs.replace(settings, **changed), types)
            made.callback(let_go, app)
            made.callback(services_of(app).redis.close)
            return app.test_client()

        yield make


@pytest.fixture
def client(web: Flask, engine: Engine, redis: Redis) -> Iterator[FlaskClient]:
    """A client of the API; no tasks, an empty Redis. What it announced is heard before the next test."""
    yield web.test_client()
    heard(web)


def heard(web: Flask) -> None:
    """Redis has heard what this application announced."""
    writer: Any = services_of(web).operations.due_set
    assert writer.drain(10)


@pytest.fixture
def sweeper(engine: Engine, redis: Redis, types: TaskTypes, settings: Settings) -> Sweeper:
    """One that has done nothing yet."""
    return Sweeper(engine, redis, types, settings)
