"""Four slots, and somebody who listens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.integration.slots.listening import Heard
from workers.slots.slot import prepare_children
from workers.slots.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.config import Settings
    from app.task_types import TaskTypes


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def slots(types: TaskTypes, settings: Settings, heard: Heard) -> Iterator[Slots]:
    prepare_children(settings.modules)
    os.environ["TASK_MODULES"] = settings.task_modules
    slots = Slots(types, count=4, listener=heard)
    yield slots
    slots.kill_all(("worker_lost", "the test is over"))
    slots.close()
