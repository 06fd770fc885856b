"""Faults of RQ: unexpected deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from app.broker.rq.jobs import Delivery, push, queue
from tests.faults.scene import Hit, NoTarget, Scene

if TYPE_CHECKING:
    from tests.faults.revival import Platform

IDS = 60
TIMES = 3


def duplicate(scene: Scene, _platform: Platform) -> Hit:
    """Push ids of all types and states (final, running, deleted, not yet due) onto the queue repeatedly."""
    known = list(scene.recent)
    if not known:
        raise NoTarget("task")
    chosen = scene.random.sample(known, min(IDS, len(known)))
    by_type: dict[str, list[str]] = {}
    for task_type, task_id in chosen:
        by_type.setdefault(task_type, []).append(task_id)
    by_type["brief"] = by_type.get("brief", []) + [task_id for _, task_id in chosen[:5]]  # also under a wrong type
    try:
        with scene.service.broker() as redis:
            push(queue("default", redis), [Delivery(*each) for each in by_type.items()] * TIMES)
    except RedisError as away:
        raise NoTarget("Redis") from away
    return Hit()
