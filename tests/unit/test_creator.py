"""Group commit: threads and event loops share batches, and each request gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import pytest

from app.creator import TaskCreator
from app.errors import InvalidInput, LedgerUnavailable
from tests.making import LONG_AGO, new_task

if TYPE_CHECKING:
    from app.operations import Operations
    from app.task import NewTask, Task

SOON_S = 10.0


class Recording:
    """Operations that only record batches; `create` blocks while the gate is closed."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.error: Exception | None = None
        self.refused: set[str] = set()
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def create(self, new: Sequence[NewTask]) -> list[Any]:
        self.batches.append([each.id for each in new])
        self.entered.set()
        assert self.gate.wait(SOON_S)
        if self.error:
            raise self.error
        return [InvalidInput() if each.id in self.refused else each.scheduled(LONG_AGO, LONG_AGO) for each in new]


@pytest.fixture
def operations() -> Recording:
    return Recording()


@pytest.fixture
def creator(operations: Recording) -> Iterator[TaskCreator]:
    creator = TaskCreator(cast("Operations", operations))
    yield creator
    operations.gate.set()
    assert creator.close(SOON_S)


@pytest.fixture
def occupied(creator: TaskCreator, operations: Recording) -> TaskCreator:
    """A creator whose first batch blocks until the gate is opened."""
    operations.gate.clear()
    creator.submit(new_task())
    assert operations.entered.wait(SOON_S)
    return creator


def test_tasks_of_threads_and_of_a_loop_share_the_next_batch(occupied: TaskCreator, operations: Recording) -> None:
    new = [new_task() for _ in range(6)]

    async def ask() -> list[Task]:
        futures = [occupied.submit_from_loop(each) for each in new[3:]]
        await asyncio.sleep(0)
        operations.gate.set()
        return list(await asyncio.gather(*futures))

    by_thread = [occupied.submit(each) for each in new[:3]]
    by_loop = asyncio.run(ask())
    made = [each.result(SOON_S) for each in by_thread] + by_loop
    assert [str(each.id) for each in made] == [each.id for each in new]
    assert operations.batches[1:] == [[each.id for each in new]]


def test_a_request_cancelled_before_its_batch_is_left_out(occupied: TaskCreator, operations: Recording) -> None:
    by_thread, kept, by_loop = new_task(), new_task(), new_task()
    assert occupied.submit(by_thread).cancel()
    made = occupied.submit(kept)

    async def leave() -> None:
        future = occupied.submit_from_loop(by_loop)
        await asyncio.sleep(0)
        future.cancel()

    asyncio.run(leave())
    operations.gate.set()
    assert str(made.result(SOON_S).id) == kept.id
    assert operations.batches[1:] == [[kept.id]]


def test_a_batch_of_cancelled_requests_is_not_written(occupied: TaskCreator, operations: Recording) -> None:
    assert occupied.submit(new_task()).cancel()
    operations.gate.set()
    assert occupied.drain(SOON_S)
    assert len(operations.batches) == 1


def test_a_closed_loop_does_not_harm_other_requests(creator: TaskCreator, operations: Recording) -> None:
    operations.gate.clear()

    async def leave() -> None:
        creator.submit_from_loop(new_task())
        assert await asyncio.to_thread(operations.entered.wait, SOON_S)

    asyncio.run(leave())
    made = creator.submit(new_task())
    operations.gate.set()
    assert made.result(SOON_S)
    assert [len(each) for each in operations.batches] == [1, 1]


def test_a_request_that_is_refused_does_not_harm_the_others(occupied: TaskCreator, operations: Recording) -> None:
    good, bad = new_task(), new_task()
    operations.refused = {bad.id}
    kept, refused = occupied.submit(good), occupied.submit(bad)
    operations.gate.set()
    assert str(kept.result(SOON_S).id) == good.id
    assert isinstance(refused.exception(SOON_S), InvalidInput)


@pytest.mark.parametrize("error", [LedgerUnavailable(), RuntimeError("a bug")])
def test_an_error_of_a_batch_reaches_every_request_and_nothing_is_repeated(
    occupied: TaskCreator, operations: Recording, error: Exception
) -> None:
    operations.error = error

    async def ask() -> list[Any]:
        futures = [occupied.submit_from_loop(new_task()) for _ in range(2)]
        await asyncio.sleep(0)
        operations.gate.set()
        return await asyncio.gather(*futures, return_exceptions=True)

    by_thread = [occupied.submit(new_task()) for _ in range(2)]
    assert asyncio.run(ask()) == [error] * 2
    assert [each.exception(SOON_S) for each in by_thread] == [error] * 2
    assert [len(each) for each in operations.batches] == [1, 4]


def test_a_thread_that_waited_too_long_gets_an_error_and_its_task_is_not_created(
    occupied: TaskCreator, operations: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.creator.ANSWER_TIMEOUT_S", 0.05)
    with pytest.raises(LedgerUnavailable):
        occupied.create(new_task())
    operations.gate.set()
    assert occupied.drain(SOON_S)
    assert len(operations.batches) == 1


def test_a_batch_has_a_maximum_size(occupied: TaskCreator, operations: Recording) -> None:
    futures = [occupied.submit(new_task()) for _ in range(600)]
    operations.gate.set()
    assert all(each.result(SOON_S) for each in futures)
    assert [len(each) for each in operations.batches] == [1, 256, 256, 88]


def test_a_request_of_an_event_loop_is_answered_even_if_no_thread_can_start(
    creator: TaskCreator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def ask() -> Task:
        monkeypatch.setattr(threading.Thread, "start", fail)
        return await asyncio.wait_for(creator.submit_from_loop(new_task()), SOON_S)

    with pytest.raises(RuntimeError, match="start new thread"):
        asyncio.run(ask())
    monkeypatch.undo()
    assert creator.submit(new_task()).result(SOON_S)
