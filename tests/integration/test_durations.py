"""The duration statistics that processes share in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.broker.contents import get_durations, put_durations

if TYPE_CHECKING:
    from redis import Redis


def test_durations_are_kept_by_type(redis: Redis) -> None:
    put_durations(redis, {"noop": 0.0125, "foo": 3000.0})
    assert get_durations(redis) == {"noop": 0.0125, "foo": 3000.0}


def test_an_invalid_duration_is_ignored(redis: Redis) -> None:
    put_durations(redis, {"noop": 0.5})
    garbage: Any = {b"a": b"x", b"b": b"nan", b"c": b"inf", b"d": b"-1", b"e": b"\xff", b"\xff": b"1e999"}
    redis.hset("durations", mapping=garbage)
    assert get_durations(redis) == {"noop": 0.5}
