"""The mark that tells a Redis that was wiped from one that was not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from redis import Redis

KEY = "punctual:generation"


def current_generation(redis: Redis) -> str:
    """The mark of this Redis' contents; a new one when it is new, or was wiped."""
    found: Any = redis.get(KEY)
    if found is None:
        redis.set(KEY, str(uuid4()), nx=True)
        found = redis.get(KEY) or b""
    return found.decode(errors="replace") if isinstance(found, bytes) else str(found)
