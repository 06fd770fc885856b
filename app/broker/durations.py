"""How long a task of each type takes, as measured: what envelopes are sized by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

KEY = "punctual:durations"


def put_durations(redis: Redis, durations_ms: Mapping[str, float]) -> None:
    """Publish the running means of some types, in milliseconds."""
    redis.hset(KEY, mapping={name: f"{value:.4f}" for name, value in durations_ms.items()})


def get_durations(redis: Redis) -> dict[str, float]:
    """The running means of all types that ran, in milliseconds; without what cannot be one."""
    found: Any = redis.hgetall(KEY)
    means = {_text(name): _mean(value) for name, value in found.items()}
    return {name: mean for name, mean in means.items() if mean is not None}


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def _mean(value: bytes | str) -> float | None:
    try:
        mean = float(value)
    except ValueError:
        return None
    return mean if math.isfinite(mean) and mean >= 0 else None
