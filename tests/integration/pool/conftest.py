"""A pool of four slots, and a recorder of its results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.integration.pool.results import Results
from workers.pool.pool import DurationStats, Pool
from workers.pool.protocol import Failure

if TYPE_CHECKING:
    from app.config import Settings
    from app.task_types import TaskTypes


@pytest.fixture
def results() -> Results:
    return Results()


@pytest.fixture
def pool(types: TaskTypes, settings: Settings, results: Results) -> Iterator[Pool]:
    os.environ["TASK_MODULES"] = settings.task_modules
    pool = Pool(types, slots=4, durations=DurationStats(), results=results, modules=settings.modules)
    yield pool
    pool.kill_all(Failure("worker_lost", "the test is over"))
    pool.close()
