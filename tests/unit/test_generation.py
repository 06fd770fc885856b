"""The generation by which a wiped Redis is recognized. Tested in memory, where any value can be stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fakeredis import FakeRedis, FakeServer

from app.broker.contents import began_at, current_generation
from app.broker.keys import GENERATION


@pytest.fixture
def redis() -> FakeRedis:
    """An empty Redis in the memory of this process."""
    return FakeRedis(server=FakeServer())


def test_a_redis_keeps_its_generation_until_it_is_wiped(redis: FakeRedis) -> None:
    first = current_generation(redis)
    assert current_generation(redis) == first
    redis.flushall()
    assert current_generation(redis) not in {first, ""}


def test_two_processes_that_find_redis_empty_at_once_agree(redis: FakeRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find no generation and write one; the first one that was written counts for both."""
    read = FakeRedis.get

    def write_in_between(self: FakeRedis, key: str) -> object:
        value = read(self, key)
        if value is None:
            self.set(key, "of another process")
        return value

    monkeypatch.setattr(FakeRedis, "get", write_in_between)
    assert current_generation(redis) == "of another process"


def test_the_generation_has_its_instant(redis: FakeRedis) -> None:
    assert began_at(redis) is None
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    current_generation(redis)
    marked_at = began_at(redis)
    assert marked_at
    assert before <= marked_at <= datetime.now(UTC)


@pytest.mark.parametrize("mark", [b"", b"x", b"\xff\xfe", b"ffffffff-ffff-7fff-bfff-ffffffffffff", b"1" * 100_000])
def test_a_foreign_generation_has_no_instant_and_is_kept(redis: FakeRedis, mark: bytes) -> None:
    redis.set(GENERATION, mark)
    assert began_at(redis) is None
    assert current_generation(redis) == mark.decode(errors="replace")
