"""The promoter pushes what is due onto RQ, and takes it off the schedule afterwards."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from app.broker.due_set import DueSet, Promoted, Promotion, due_key
from tests.faults.mutants.seeding import swap
from workers.promoter import Promoter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.broker.due_set import Route

WINDOW_S = 0.02
MOST = 500


def seed() -> None:
    """Two steps instead of one script."""

    def promote(self: DueSet, lanes: Sequence[Route], *, now: float) -> Promotion:
        taken, upcoming = [], []
        for lane in lanes:
            key = due_key(lane.type)
            due: Any = self.redis.zrangebyscore(key, "-inf", now, start=0, num=MOST)
            taken.append(Promoted(lane.type, [each.decode() for each in due], [], 0, 1))
            first: Any = self.redis.zrangebyscore(key, f"({now}", "+inf", start=0, num=1, withscores=True)
            upcoming += [score for _, score in first]
        return Promotion(taken, next_at=min(upcoming, default=math.inf))

    def push(self: Promoter, taken: list[Promoted]) -> bool:
        pushed: bool = push_ours(self, taken)
        time.sleep(WINDOW_S)
        for each in taken:
            if each.ids:
                self._redis.zrem(due_key(each.type), *each.ids)
        return pushed

    swap(DueSet, "promote", promote)
    push_ours = swap(Promoter, "_push", push)
