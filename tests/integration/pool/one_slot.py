"""Pools of one slot, whose children know the types of `tests.unclean`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from app.task_types import TaskType, TaskTypes
from tests.integration.pool.results import PATIENCE_S, Results, claim
from workers.pool.pool import DurationStats, Pool
from workers.pool.protocol import Failure

TYPES = TaskTypes(TaskType(name=each, handler=None) for each in ("change", "state", "number", "grow", "use", "pid"))


class OneSlot:
    """A pool of one slot, which runs one task after another."""

    def __init__(self, max_tasks: int = 0) -> None:
        self.results = Results()
        self.pool = Pool(TYPES, slots=1, durations=DurationStats(max_tasks), results=self.results)

    def run(self, task_type: str, **payload: Any) -> Any:
        """Run a task; return its result."""
        (outcome,) = self.run_all(task_type, 1, **payload)
        return outcome

    def run_all(self, task_type: str, count: int, **payload: Any) -> list[Any]:
        """Run tasks of this type, which share a chunk if the type is known to be fast; return their results."""
        claims = [claim(task_type, timeout_s=30, **payload) for _ in range(count)]
        self.pool.run(claims)
        outcomes = self.results.wait_for(count)
        assert not [each.error for each in outcomes.values() if each.error]
        assert self.pool.free_slots.wait_until_all_free(PATIENCE_S)
        assert self.results.nothing_more()
        return [msgspec.json.decode(outcomes[each.id].result or "") for each in claims]


@contextmanager
def children_with(**variables: str) -> Iterator[list[OneSlot]]:
    """Yield a list for pools whose children get these environment variables; close the pools at the end."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"TASK_MODULES": "tests.unclean", **variables}.items():
            patch.setenv(name, value)
        pools: list[OneSlot] = []
        yield pools
        for each in pools:
            each.pool.kill_all(Failure("worker_lost", "the test is over"))
            each.pool.close()
