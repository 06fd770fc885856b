"""A bug: the promoter pushes due ids onto RQ, then removes them from the due set."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.broker.due_set import DueSet, Promoted, Promotion
from app.broker.keys import due_key
from tests.faults.mutants.seeding import swap
from workers.promoter import Promoter

if TYPE_CHECKING:
    from app.broker.due_set import Route

WINDOW_S = 0.02
MAX_IDS = 500


def seed() -> None:
    """Promote in two steps instead of one script."""

    def promote(self: DueSet, lanes: Sequence[Route], *, now: float) -> Promotion:
        promoted, upcoming = [], []
        for lane in lanes:
            key = due_key(lane.type)
            due: Any = self.redis.zrangebyscore(key, "-inf", now, start=0, num=MAX_IDS)
            promoted.append(Promoted(lane.type, [each.decode() for each in due], [], 0, 1))
            first: Any = self.redis.zrangebyscore(key, f"({now}", "+inf", start=0, num=1, withscores=True)
            upcoming += [score for _, score in first]
        return Promotion(promoted, next_at=min(upcoming, default=math.inf))

    def push(self: Promoter, promoted: list[Promoted]) -> bool:
        pushed: bool = original_push(self, promoted)
        time.sleep(WINDOW_S)
        for each in promoted:
            if each.ids:
                self._redis.zrem(due_key(each.type), *each.ids)
        return pushed

    swap(DueSet, "promote", promote)
    original_push = swap(Promoter, "_push", push)
