"""The schedule: which ids are due when, which are delivered and not yet claimed."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError

from app.schedule.jobs import is_task_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from redis import Redis

    from app.task import Due

log = structlog.get_logger()

LUA = Path(__file__).parent
WAKE_CHANNEL = "punctual:wake"
IDS_PER_CALL = 1000
IN_HAND_S = 0.2
LOST_AFTER_S = 10.0
FAR_AHEAD_S = 60.0

ScheduleAway = RedisError


@dataclass(frozen=True, slots=True)
class Promoted:
    """What one pass took off the schedule for one type, for so many workers; `left` due ids had no room."""

    type: str
    ids: list[str]
    left: int
    workers: int


@dataclass(frozen=True, slots=True)
class Lane:
    """How one type is delivered: to which RQ queue, how many ids in an envelope."""

    type: str
    queue: str
    envelope: int


class Schedule:
    """One sorted set of ids per type, and one of deliveries; scores are seconds since 1970, to the millisecond."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._add = redis.register_script((LUA / "add.lua").read_text())
        self._promote = redis.register_script((LUA / "promote.lua").read_text())
        self._take_back = redis.register_script((LUA / "take_back.lua").read_text())

    def add(self, entries: Iterable[Due]) -> None:
        """Put ids on the schedule, or move them to another instant."""
        for task_type, of_type in _by_type(entries).items():
            for some in (of_type[i : i + IDS_PER_CALL] for i in range(0, len(of_type), IDS_PER_CALL)):
                pairs: list[float | str] = [value for each in some for value in (score(each.at), each.id)]
                self._add(keys=[schedule_key(task_type), WAKE_CHANNEL], args=pairs)

    def remove(self, task_type: str, ids: Sequence[str]) -> None:
        """Forget ids: deleted, claimed, taken by others or gone."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.zrem(schedule_key(task_type), *ids)
            pipe.zrem(delivered_key(task_type), *ids)
            pipe.execute()

    def promote(
        self, lanes: Sequence[Lane], *, now: float, envelopes_per_worker: int
    ) -> tuple[list[Promoted], float, float]:
        """Take what is due; `(what was taken by type, when the next id is due, when the next delivery counts as lost)`.

        Where an RQ queue has enough waiting already, ids stay on the schedule: in order, and deletable. What is taken
        counts as lost in a moment, unless `sent` is said of it.
        """
        if not lanes:
            return [], math.inf, math.inf
        keys = chain.from_iterable(
            (schedule_key(lane.type), delivered_key(lane.type), rq_queue_key(lane.queue), f"rq:workers:{lane.queue}")
            for lane in lanes
        )
        limits: list[str | int] = [f"{now:.6f}", f"{now + IN_HAND_S:.3f}", envelopes_per_worker]
        answer: Any = self._promote(keys=list(keys), args=limits + [lane.envelope for lane in lanes])
        taken = [
            Promoted(lane.type, self._of_tasks(lane.type, ids), int(left), int(workers))
            for lane, (ids, left, _, workers, _) in zip(lanes, answer, strict=True)
        ]
        upcoming = [float(first) for _, _, first, _, _ in answer if first]
        lost = [float(record) for *_, record in answer if record]
        return taken, min(upcoming, default=math.inf), min(lost, default=math.inf)

    def sent(self, taken: Iterable[Promoted], *, now: float) -> None:
        """They are on RQ queues now: it may take a while until a worker claims them."""
        with self.redis.pipeline(transaction=False) as pipe:
            for each in taken:
                if each.ids:
                    pipe.zadd(delivered_key(each.type), dict.fromkeys(each.ids, now + LOST_AFTER_S), xx=True)
            pipe.execute()

    def _of_tasks(self, task_type: str, members: Sequence[bytes | str]) -> list[str]:
        """Those that are ids; whatever else somebody put on the schedule is forgotten."""
        ids = [each.decode() if isinstance(each, bytes) else each for each in members if is_task_id(each)]
        if len(ids) < len(members):
            strange = [each for each in members if not is_task_id(each)]
            self.redis.zrem(delivered_key(task_type), *strange)
            log.warning("strange_ids_dropped", type=task_type, count=len(strange))
        return ids

    def take_back(self, task_types: Iterable[str], *, now: float) -> int:
        """Put deliveries that nobody claimed in time back on the schedule; how many."""
        keys = list(chain.from_iterable((delivered_key(each), schedule_key(each)) for each in task_types))
        limits = [f"{now:.6f}", f"{now + 2 * LOST_AFTER_S:.6f}"]
        return int(self._take_back(keys=keys, args=limits)) if keys else 0

    def unknown(self, entries: Sequence[Due], *, now: datetime) -> list[Due]:
        """Those of these due tasks that Redis lost, never heard of, or holds for a time far ahead of `now`."""
        far = now.timestamp() + FAR_AHEAD_S
        missing: list[Due] = []
        for task_type, of_type in _by_type(entries).items():
            ids = [each.id for each in of_type]
            with self.redis.pipeline(transaction=False) as pipe:
                pipe.zmscore(schedule_key(task_type), ids)
                pipe.zmscore(delivered_key(task_type), ids)
                waiting, delivered = pipe.execute()
            found = zip(of_type, waiting, delivered, strict=True)
            missing += [each for each, here, there in found if not _soon(here, far) and not _soon(there, far)]
        return missing

    def sizes(self, task_types: Iterable[str]) -> tuple[int, int]:
        """How many ids are on the schedule, and how many are delivered and not yet claimed."""
        names = list(task_types)
        with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zcard(schedule_key(name))
                pipe.zcard(delivered_key(name))
            counts = pipe.execute()
        return sum(counts[::2]), sum(counts[1::2])


def rq_queue_key(queue: str) -> str:
    """RQ's list of jobs that wait."""
    return f"rq:queue:{queue}"


def score(at: datetime) -> float:
    """An instant as seconds, rounded up to the millisecond: a hint is never early."""
    return math.ceil(at.timestamp() * 1000) / 1000


def schedule_key(task_type: str) -> str:
    """The sorted set of one type: id -> instant."""
    return f"punctual:schedule:{task_type}"


def delivered_key(task_type: str) -> str:
    """The sorted set of one type's deliveries nobody has claimed: id -> when they count as lost."""
    return f"punctual:delivered:{task_type}"


def _by_type(entries: Iterable[Due]) -> Mapping[str, list[Due]]:
    groups: defaultdict[str, list[Due]] = defaultdict(list)
    for each in entries:
        groups[each.type].append(each)
    return groups


def _soon(instant: float | None, far: float) -> bool:
    return instant is not None and instant < far
