"""How long a task of each type takes, as measured: what envelopes are sized by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

KEY = "punctual:durations"


def put_durations(redis: Redis, durations_ms: Mapping[str, float]) -> None:
    """Publish the running means of some types, in milliseconds."""
    redis.hset(KEY, mapping={name: f"{value:.4f}" for name, value in durations_ms.items()})


def get_durations(redis: Redis) -> dict[str, float]:
    """The running means of all types that ran, in milliseconds."""
    found: Any = redis.hgetall(KEY)
    return {name.decode() if isinstance(name, bytes) else name: float(value) for name, value in found.items()}
