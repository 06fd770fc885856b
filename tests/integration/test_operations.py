"""Operations on both servers: Postgres first, then Redis, whose losses are restored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from app.broker.due_set import WINDOW_MARGIN_S, DueSet
from app.config import Settings, read_settings
from app.connections import connect_postgres, connect_redis
from app.creator import TaskCreator
from app.errors import InvalidInput, LedgerUnavailable, TaskNotFound
from app.ledger import tasks
from app.operations import Operations
from app.task import Task
from tests.making import NOWHERE, ahead, counted, make, new_task

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.task_types import TaskTypes


@pytest.fixture
def without_redis(engine: Engine, types: TaskTypes) -> Operations:
    """Operations without an available Redis."""
    return Operations(engine, DueSet(connect_redis(read_settings(NOWHERE))), types, window_s=3600)


def test_a_stored_task_equals_the_created_one(engine: Engine, operations: Operations) -> None:
    (task,) = make(operations, at=ahead(60), key="value")
    assert tasks.get(engine, task.id) == task
    assert msgspec.json.decode(task.payload) == {"key": "value"}


def test_a_delay_counts_from_the_clock_of_postgres(operations: Operations) -> None:
    new = new_task()
    (task,) = operations.create([replace(new, execute_at=None, delay_s=90.5)])
    assert isinstance(task, Task)
    assert timedelta(seconds=90.4) < task.execute_at - task.created_at < timedelta(seconds=90.6)


def test_only_tasks_due_within_the_window_are_added_to_the_due_set(operations: Operations, due_set: DueSet) -> None:
    make(operations, at=ahead(3600))
    make(operations, at=ahead(3600 + WINDOW_MARGIN_S + 60))
    make(operations, task_type="outside")
    assert due_set.sizes(["noop", "outside"]) == (1, 0)


def test_one_row_that_postgres_refuses_does_not_fail_the_others(engine: Engine, operations: Operations) -> None:
    good, bad = new_task(), replace(new_task(), payload=msgspec.Raw(b'{"a": "\\u0000"}'))
    kept, refused = operations.create([good, bad])
    assert isinstance(kept, Task)
    assert isinstance(refused, InvalidInput)
    assert tasks.get(engine, UUID(good.id)) == kept
    with pytest.raises(TaskNotFound):
        tasks.get(engine, UUID(bad.id))


def test_creating_the_same_task_twice_changes_nothing(operations: Operations) -> None:
    new = new_task()
    assert operations.create([new]) == operations.create([new])


def test_creating_and_deleting_need_no_redis(without_redis: Operations, engine: Engine) -> None:
    (task,) = make(without_redis, at=ahead(5))
    assert without_redis.delete(task.id).deleted_at
    assert tasks.get(engine, task.id).deleted_at


def test_an_unavailable_postgres_creates_nothing(due_set: DueSet, types: TaskTypes) -> None:
    unavailable = connect_postgres(read_settings(NOWHERE), name="unavailable")
    with pytest.raises(LedgerUnavailable):
        Operations(unavailable, due_set, types, window_s=3600).create([new_task()])
    assert due_set.sizes(["noop"]) == (0, 0)
    unavailable.dispose()


def test_concurrent_requests_are_all_answered(operations: Operations, engine: Engine) -> None:
    creator = TaskCreator(operations)
    with ThreadPoolExecutor(16) as pool:
        kept = list(pool.map(lambda _: creator.create(new_task()), range(300)))
    assert len({each.id for each in kept}) == 300
    assert counted(engine) == {("noop", "scheduled"): 300}


def test_each_request_gets_its_own_refusal(operations: Operations) -> None:
    creator = TaskCreator(operations)
    with pytest.raises(InvalidInput):
        creator.create(replace(new_task(), payload=msgspec.Raw(b'{"a": "\\u0000"}')))
    assert creator.create(new_task()).id


def test_every_request_fails_when_postgres_is_unavailable(
    due_set: DueSet, types: TaskTypes, settings: Settings
) -> None:
    unavailable = connect_postgres(read_settings(NOWHERE), name="unavailable")
    creator = TaskCreator(Operations(unavailable, due_set, types, window_s=settings.schedule_window_s))
    with pytest.raises(LedgerUnavailable):
        creator.create(new_task())
    unavailable.dispose()
