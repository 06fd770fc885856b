"""Removal of keys that have a wrong type. No command works on them, and their contents can be rebuilt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from redis.exceptions import RedisError, ResponseError

from app.broker import keys
from app.broker.rq import keys as rq_keys
from app.logs import get_logger
from app.redis_pool import is_refusal

if TYPE_CHECKING:
    from redis import Redis

log = get_logger()


def may_be_corrupt(trouble: RedisError) -> bool:
    """Return whether the contents of a key may be the cause of an error, and not a server that refuses to work."""
    return isinstance(trouble, ResponseError) and not is_refusal(trouble)


def drop_corrupt_keys(redis: Redis, *, types: Iterable[str], queues: Iterable[str]) -> list[str]:
    """Remove keys of these task types and RQ queues that have a wrong type; return their names.

    Called after Redis has refused a command. The sweeper restores the ids that were lost with a key.
    """
    expected = keys.key_types(types)
    for queue in queues:
        expected |= rq_keys.key_types(queue)
    with redis.pipeline(transaction=False) as pipe:
        for key in expected:
            pipe.type(key)
        actual = [kind.decode() if isinstance(kind, bytes) else kind for kind in pipe.execute()]
    corrupt = [key for (key, kind), is_ in zip(expected.items(), actual, strict=True) if is_ not in {kind, "none"}]
    if corrupt:
        redis.delete(*corrupt)
        log.warning("corrupt_keys_dropped", keys=corrupt[:20], count=len(corrupt))
    return corrupt
