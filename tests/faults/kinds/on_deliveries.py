"""Faults of RQ: ids delivered that nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from app.broker.rq.deliveries import Delivery, push, queue
from tests.faults.scene import Hit, NobodyThere, Scene

if TYPE_CHECKING:
    from tests.faults.revival import Platform

IDS = 60
TIMES = 3


def duplicate(scene: Scene, _platform: Platform) -> Hit:
    """Ids of all types and states, final, running, deleted and not yet due, pushed onto the queue again and again."""
    known = list(scene.recent)
    if not known:
        raise NobodyThere("task")
    chosen = scene.random.sample(known, min(IDS, len(known)))
    by_type: dict[str, list[str]] = {}
    for task_type, task_id in chosen:
        by_type.setdefault(task_type, []).append(task_id)
    by_type["brief"] = by_type.get("brief", []) + [task_id for _, task_id in chosen[:5]]  # under a wrong name, too
    try:
        with scene.service.broker() as redis:
            push(queue("default", redis), [Delivery(*each) for each in by_type.items()] * TIMES)
    except RedisError as away:
        raise NobodyThere("Redis") from away
    return Hit()
