"""A database with a settable clock, and both servers with possible crashes at every step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
import pytest
import structlog
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, settings as hypothesis_settings

from app.batching import Batcher
from app.config import read_settings
from app.connections import connect_postgres
from tests.conftest import ROOT
from tests.model.clock import Clock, make_database
from tests.model.faults import Boundary
from tests.model.tried import Tried
from tests.model.world import Servers
from workers.pool import protocol

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.task_types import TaskTypes

WINDOW_S = 20.0
# A long random run: pytest tests/model --hypothesis-profile=long (--hypothesis-seed=... repeats a run).
hypothesis_settings.register_profile(
    "long",
    max_examples=5000,
    stateful_step_count=60,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


Silent = structlog.make_filtering_bound_logger(logging.CRITICAL)


@pytest.fixture(scope="session")
def model_engine(owners: dict[str, str]) -> Iterator[Engine]:
    """Postgres at the head of the migrations, with the settable clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", make_database(owners["DATABASE_URL"]))
        command.upgrade(Config(str(ROOT / "alembic.ini")), "head")
        engine = connect_postgres(read_settings(), name="model", pool=1)
    yield engine
    engine.dispose()


@pytest.fixture
def tried(record_property: Callable[[str, str], None]) -> Iterator[Tried]:
    """Counts of a test, which the final report shows even if the test fails."""
    tried = Tried()
    yield tried
    for line in tried.lines():
        record_property("tried", line)


@pytest.fixture
def boundary(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> Boundary:
    """The boundary at which faults are injected."""
    boundary = Boundary(tried)
    boundary.install(monkeypatch)
    monkeypatch.setattr(Batcher, "start", lambda _: None)  # no threads: the model calls the steps
    return boundary


@pytest.fixture
def clock(model_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of all processes, including children."""
    clock = Clock(model_engine)
    monkeypatch.setattr(protocol, "now", clock.seconds)
    return clock


@pytest.fixture
def model_servers(  # noqa: PLR0917  # fixtures
    model_engine: Engine, redis: Redis, harm: Redis, settings: Settings, types: TaskTypes, clock: Clock,
    boundary: Boundary, tried: Tried, monkeypatch: pytest.MonkeyPatch,
) -> Servers:  # fmt: skip
    """Both servers; logs are off because there would be thousands of crashes in them."""
    monkeypatch.setattr("app.logs._Configured.logger", structlog.wrap_logger(None, [], Silent).bind())
    near = msgspec.structs.replace(settings, schedule_window_s=WINDOW_S)
    return Servers(model_engine, redis, harm, near, types, clock, boundary, tried)
