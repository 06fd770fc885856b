"""The API in front of the test servers, called without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import structlog

from app import logs
from app.api.application import create_app
from app.api.services import services_of
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.task_types import TaskTypes


@pytest.fixture(scope="session", autouse=True)
def _no_state_between_tests() -> Iterator[None]:
    """Turn off the thread of the counter buffer and the caches: they would carry state from one test to the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.counter_buffer.CounterBuffer.start", lambda _: None)
        patch.setattr("app.api.single_flight.KEEP_S", 0.0)
        yield


@pytest.fixture(scope="session")
def web(settings: Settings, types: TaskTypes) -> Iterator[Flask]:
    """The application, made as in the web process."""
    app = create_app(settings, types)
    yield app
    close_connections(app)


def close_connections(app: Flask) -> None:
    """Close the application's connections to Postgres."""
    services_of(app).engine.dispose()
    services_of(app).operations.creating.dispose()


@pytest.fixture
def _same_log_settings(web: Flask) -> Iterator[None]:
    """Restore the configuration of the logs: an application made by a test logs to the stderr of that test."""
    before = structlog.get_config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.logs._Configured.logger", logs._Configured.logger)
        yield
    structlog.configure(**before)


@pytest.fixture
def client_with(
    settings: Settings, types: TaskTypes, engine: Engine, redis: Redis, _same_log_settings: None
) -> Iterator[Callable[..., FlaskClient]]:
    """Make clients of applications with other settings. Each application logs to the current stderr."""
    with ExitStack() as stack:

        def make(**changed: Any) -> FlaskClient:
            app = create_app(msgspec.structs.replace(settings, **changed), types)
            stack.callback(close_connections, app)
            stack.callback(services_of(app).redis.close)
            return app.test_client()

        yield make


@pytest.fixture
def client(web: Flask, engine: Engine, redis: Redis) -> Iterator[FlaskClient]:
    """A client of the API, without tasks and with an empty Redis. Its due-set writer is drained after the test."""
    yield web.test_client()
    drain_due_set_writer(web)


def drain_due_set_writer(web: Flask) -> None:
    """Wait until the due set contains the tasks that this application created."""
    writer: Any = services_of(web).operations.due_set
    assert writer.drain(10)


@pytest.fixture
def sweeper(engine: Engine, redis: Redis, types: TaskTypes, settings: Settings) -> Sweeper:
    """A sweeper that has made no step yet."""
    return Sweeper(engine, redis, types, settings)
