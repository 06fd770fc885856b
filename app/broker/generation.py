"""The mark that tells a Redis that was wiped from one that was not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from redis import Redis

KEY = "punctual:generation"


def current_generation(redis: Redis) -> str:
    """The mark of this Redis' contents; a new one when it is new, or was wiped."""
    found: Any = redis.get(KEY)
    if found is None:
        redis.set(KEY, str(uuid7()), nx=True)
        found = redis.get(KEY) or b""
    return found.decode(errors="replace") if isinstance(found, bytes) else str(found)


def began_at(redis: Redis) -> datetime | None:
    """When this Redis was found empty: the instant in its mark. None when it has no mark, or not one of ours."""
    found: Any = redis.get(KEY)
    try:
        mark = UUID((found or b"").decode())
        return datetime.fromtimestamp((mark.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError, AttributeError):
        return None
