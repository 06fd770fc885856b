"""Removes keys of the wrong type: somebody else wrote them, nobody can use them, and all they held can be rebuilt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from app.broker import durations, generation
from app.broker.schedule import IN_HAND, delivered_key, schedule_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

log = structlog.get_logger()

OURS = {durations.KEY: "hash", generation.KEY: "string", IN_HAND: "zset"}
OF_RQ = {
    "rq:queues": "set",
    "rq:workers": "set",
    "rq:suspended": "string",
    "rq:clean_registries:{queue}": "string",
    "rq:queue:{queue}": "list",
    "rq:queue:{queue}:intermediate": "list",
    "rq:workers:{queue}": "set",
    "rq:wip:{queue}": "zset",
    "rq:finished:{queue}": "zset",
    "rq:failed:{queue}": "zset",
    "rq:deferred:{queue}": "zset",
    "rq:scheduler:scheduled_jobs": "zset",
    "rq:scheduler:scheduler_lock": "string",
}


def mend(redis: Redis, *, types: Iterable[str], queues: Iterable[str]) -> list[str]:
    """Remove what is of the wrong type among the keys of these types and RQ queues; which keys these were.

    To be called when Redis refused a command. The sweeper restores what was lost with a key.
    """
    wanted = OURS.copy()
    for name in types:
        wanted |= {schedule_key(name): "zset", delivered_key(name): "zset"}
    for queue in queues:
        wanted |= {key.format(queue=queue): kind for key, kind in OF_RQ.items()}
    with redis.pipeline(transaction=False) as pipe:
        for key in wanted:
            pipe.type(key)
        found = [kind.decode() if isinstance(kind, bytes) else kind for kind in pipe.execute()]
    wrong = [key for (key, kind), is_ in zip(wanted.items(), found, strict=True) if is_ not in {kind, "none"}]
    if wrong:
        redis.delete(*wrong)
        log.warning("wrong_keys_removed", keys=wrong[:20], count=len(wrong))
    return wrong
