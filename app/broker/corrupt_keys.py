"""Removes keys of the wrong type. No command works on them, and all that they held can be rebuilt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from app.broker.contents import DURATIONS, GENERATION
from app.broker.due_set import IN_FLIGHT, delivered_key, due_key
from app.broker.rq.keys import key_types

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

log = structlog.get_logger()

OURS = {DURATIONS: "hash", GENERATION: "string", IN_FLIGHT: "zset"}


def drop_corrupt_keys(redis: Redis, *, types: Iterable[str], queues: Iterable[str]) -> list[str]:
    """Remove what is of the wrong type among the keys of these types and RQ queues; return these keys.

    To be called when Redis refused a command. The sweeper restores the ids that were lost with a key.
    """
    wanted = OURS.copy()
    for name in types:
        wanted |= {due_key(name): "zset", delivered_key(name): "zset"}
    for queue in queues:
        wanted |= key_types(queue)
    with redis.pipeline(transaction=False) as pipe:
        for key in wanted:
            pipe.type(key)
        found = [kind.decode() if isinstance(kind, bytes) else kind for kind in pipe.execute()]
    wrong = [key for (key, kind), is_ in zip(wanted.items(), found, strict=True) if is_ not in {kind, "none"}]
    if wrong:
        redis.delete(*wrong)
        log.warning("corrupt_keys_dropped", keys=wrong[:20], count=len(wrong))
    return wrong
