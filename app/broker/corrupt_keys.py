"""Removal of keys that have a wrong type. No command works on them, and their contents can be rebuilt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog

from app.broker.contents import DURATIONS, GENERATION
from app.broker.due_set import IN_FLIGHT, delivered_key, due_key
from app.broker.rq.keys import key_types

if TYPE_CHECKING:
    from redis import Redis

log = structlog.get_logger()

OURS = {DURATIONS: "hash", GENERATION: "string", IN_FLIGHT: "zset"}


def drop_corrupt_keys(redis: Redis, *, types: Iterable[str], queues: Iterable[str]) -> list[str]:
    """Remove keys of these task types and RQ queues that have a wrong type; return their names.

    Called after Redis has refused a command. The sweeper restores the ids that were lost with a key.
    """
    expected = OURS.copy()
    for name in types:
        expected |= {due_key(name): "zset", delivered_key(name): "zset"}
    for queue in queues:
        expected |= key_types(queue)
    with redis.pipeline(transaction=False) as pipe:
        for key in expected:
            pipe.type(key)
        actual = [kind.decode() if isinstance(kind, bytes) else kind for kind in pipe.execute()]
    corrupt = [key for (key, kind), is_ in zip(expected.items(), actual, strict=True) if is_ not in {kind, "none"}]
    if corrupt:
        redis.delete(*corrupt)
        log.warning("corrupt_keys_dropped", keys=corrupt[:20], count=len(corrupt))
    return corrupt
