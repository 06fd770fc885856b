"""Redis is told from a thread: nobody waits for it, and what it missed it is told again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from app.broker import announcer as module
from app.broker.announcer import Announcer
from app.broker.due_set import DueSet, ScheduleAway, due_key
from app.connections import connect_redis
from app.task import Due
from tests.making import ahead, new_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from redis import Redis

    from app.config import Settings

SOON_S = 10.0


class Moody(DueSet):
    """Redis is away while `moody`, and answers nothing until its gate is open."""

    moody = False

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.gate = threading.Event()
        self.gate.set()

    def add(self, entries: Iterable[Due]) -> None:
        """As the schedule's."""
        self._answer()
        super().add(entries)

    def remove(self, task_type: str, ids: Sequence[str]) -> None:
        """As the schedule's."""
        self._answer()
        super().remove(task_type, ids)

    def _answer(self) -> None:
        assert self.gate.wait(SOON_S)
        if self.moody:
            raise ScheduleAway("away")


@pytest.fixture
def moody(redis: Redis) -> Moody:
    return Moody(redis)


@pytest.fixture
def announcer(moody: Moody) -> Iterator[Announcer]:
    made = Announcer(moody)
    yield made
    made.close()


def due(task_type: str = "noop") -> Due:
    return Due(str(new_task().id), task_type, ahead(60))


def on_schedule(redis: Redis) -> int:
    count: Any = redis.zcard(due_key("noop"))
    return int(count)


def test_what_is_told_is_heard_soon_and_what_is_removed_is_forgotten(announcer: Announcer, redis: Redis) -> None:
    entries = [due() for _ in range(2500)]
    announcer.add(entries)
    assert announcer.flush(SOON_S)
    assert on_schedule(redis) == 2500
    announcer.remove("noop", [each.id for each in entries[:2000]])
    assert announcer.flush(SOON_S)
    assert on_schedule(redis) == 500


def test_what_is_removed_before_it_was_heard_never_arrives(announcer: Announcer, moody: Moody, redis: Redis) -> None:
    moody.moody = True
    kept, gone = due(), due()
    announcer.add([kept, gone])
    announcer.remove("noop", [gone.id])
    moody.moody = False
    assert announcer.flush(SOON_S)
    assert redis.zrange(due_key("noop"), 0, -1) == [kept.id.encode()]


def test_what_a_redis_that_was_away_did_not_hear_it_is_told_when_it_is_back(
    announcer: Announcer, moody: Moody, redis: Redis
) -> None:
    moody.moody = True
    for _ in range(20):
        announcer.add([due()])
    assert not announcer.flush(0.3)
    assert on_schedule(redis) == 0
    moody.moody = False
    assert announcer.flush(SOON_S)
    assert on_schedule(redis) == 20


def test_who_tells_never_waits(announcer: Announcer, moody: Moody, redis: Redis) -> None:
    moody.gate.clear()
    for _ in range(20):
        announcer.add([due()])  # would wait for ever, did it wait for Redis
    moody.gate.set()
    assert announcer.flush(SOON_S)
    assert on_schedule(redis) == 20


def test_there_is_an_end_to_what_is_kept_for_a_redis_that_stays_away(
    announcer: Announcer, moody: Moody, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 100)
    moody.moody = True
    announcer.add([due() for _ in range(90)])
    assert not announcer.flush(0.3)
    announcer.add([due() for _ in range(20)])
    moody.moody = False
    assert announcer.flush(SOON_S)
    assert on_schedule(redis) == 0


def test_one_that_was_told_nothing_has_nothing_to_say(settings: Settings) -> None:
    silent = Announcer(DueSet(connect_redis(settings)))
    assert silent.flush(0)
    silent.close()
