"""The due set is written from a thread: adding never waits for Redis, and what Redis missed is written again."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import RedisError

from app.broker import writer as module
from app.broker.due_set import DueSet
from app.broker.keys import due_key
from app.broker.writer import DueSetWriter
from app.connections import connect_redis
from app.task import Due
from tests.making import ahead, new_task

if TYPE_CHECKING:
    from redis import Redis

    from app.config import Settings

SOON_S = 10.0


class FlakyDueSet(DueSet):
    """A due set that is unavailable while `is_available` is False, and blocks while its gate is closed."""

    is_available = True

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.gate = threading.Event()
        self.gate.set()

    def add(self, entries: Iterable[Due]) -> None:
        self._answer()
        super().add(entries)

    def remove(self, task_type: str, ids: Sequence[str]) -> None:
        self._answer()
        super().remove(task_type, ids)

    def _answer(self) -> None:
        assert self.gate.wait(SOON_S)
        if not self.is_available:
            raise RedisError("unavailable")


@pytest.fixture
def flaky_due_set(redis: Redis) -> FlakyDueSet:
    return FlakyDueSet(redis)


@pytest.fixture
def writer(flaky_due_set: FlakyDueSet) -> Iterator[DueSetWriter]:
    writer = DueSetWriter(flaky_due_set)
    yield writer
    writer.close(SOON_S)


def due(task_type: str = "noop") -> Due:
    return Due(str(new_task().id), task_type, ahead(60))


def in_due_set(redis: Redis) -> int:
    count: Any = redis.zcard(due_key("noop"))
    return int(count)


def test_added_ids_are_written_soon_and_removed_ids_are_gone(writer: DueSetWriter, redis: Redis) -> None:
    entries = [due() for _ in range(2500)]
    writer.add(entries)
    assert writer.drain(SOON_S)
    assert in_due_set(redis) == 2500
    writer.remove("noop", [each.id for each in entries[:2000]])
    assert writer.drain(SOON_S)
    assert in_due_set(redis) == 500


def test_an_id_removed_before_it_was_written_is_never_written(
    writer: DueSetWriter, flaky_due_set: FlakyDueSet, redis: Redis
) -> None:
    flaky_due_set.is_available = False
    kept, gone = due(), due()
    writer.add([kept, gone])
    writer.remove("noop", [gone.id])
    flaky_due_set.is_available = True
    assert writer.drain(SOON_S)
    assert redis.zrange(due_key("noop"), 0, -1) == [kept.id.encode()]


def test_changes_are_written_when_redis_is_available_again(
    writer: DueSetWriter, flaky_due_set: FlakyDueSet, redis: Redis
) -> None:
    flaky_due_set.is_available = False
    for _ in range(20):
        writer.add([due()])
    assert not writer.drain(0.3)
    assert in_due_set(redis) == 0
    flaky_due_set.is_available = True
    assert writer.drain(SOON_S)
    assert in_due_set(redis) == 20


def test_adding_never_waits(writer: DueSetWriter, flaky_due_set: FlakyDueSet, redis: Redis) -> None:
    flaky_due_set.gate.clear()
    for _ in range(20):
        writer.add([due()])  # would not return if it waited for Redis
    flaky_due_set.gate.set()
    assert writer.drain(SOON_S)
    assert in_due_set(redis) == 20


def test_the_changes_kept_for_an_unavailable_redis_are_limited(
    writer: DueSetWriter, flaky_due_set: FlakyDueSet, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 100)
    flaky_due_set.is_available = False
    writer.add([due() for _ in range(90)])
    assert not writer.drain(0.3)
    writer.add([due() for _ in range(20)])
    flaky_due_set.is_available = True
    assert writer.drain(SOON_S)
    assert in_due_set(redis) == 0


def test_a_writer_without_changes_has_nothing_to_write(settings: Settings) -> None:
    writer = DueSetWriter(DueSet(connect_redis(settings)))
    assert writer.drain(0)
    assert writer.close(0)


def test_the_last_change_of_an_id_is_the_one_that_is_written(
    writer: DueSetWriter, flaky_due_set: FlakyDueSet, redis: Redis
) -> None:
    flaky_due_set.is_available = False
    moved, again = due(), due()
    writer.add([moved, again])
    assert not writer.drain(0.1)
    writer.remove("noop", [again.id])
    later = Due(moved.id, moved.type, ahead(3600))
    writer.add([later, again])
    flaky_due_set.is_available = True
    assert writer.drain(SOON_S)
    assert in_due_set(redis) == 2
    assert redis.zscore(due_key("noop"), moved.id) == pytest.approx(later.at.timestamp())
