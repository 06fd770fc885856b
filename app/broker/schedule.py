"""The schedule: which ids are due when, which are delivered and not yet claimed."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from app.broker.jobs import are_task_ids, is_task_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from redis import Redis

    from app.task import Due

log = structlog.get_logger()

LUA = Path(__file__).parent
WAKE_CHANNEL = "punctual:wake"
IN_HAND = "punctual:in_hand"
IDS_PER_CALL = 200  # a script holds up everybody else: a thousand take Redis some milliseconds
IN_HAND_S = 0.2
LOST_AFTER_S = 5.0
FAR_AHEAD_S = 60.0
BEGIN_AHEAD_S, LOOK_AHEAD_S = 0.05, 0.1
WAITING_PER_WORKER = "3,8"  # full envelopes of one type, and envelopes of all of them

ScheduleAway = RedisError


@dataclass(frozen=True, slots=True)
class Promoted:
    """What one pass took off the schedule for one type, for so many workers; `left` due ids had no room.

    `ahead` are not due yet: each with its instant, in seconds.
    """

    type: str
    ids: list[str]
    ahead: list[tuple[str, float]]
    left: int
    workers: int


@dataclass(frozen=True, slots=True)
class Lane:
    """How one type is delivered: to which RQ queue, how many ids in an envelope."""

    type: str
    queue: str
    envelope: int


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass of the promoter took, by type; when the next id is due, and when to look for lost deliveries.

    Until `sent` is said of it, what it took comes back after IN_HAND_S. `name` is how Redis knows the pass.
    """

    taken: list[Promoted]
    name: str = ""
    next_at: float = math.inf
    lost_at: float = math.inf


class Schedule:
    """For each type a sorted set of ids and one of deliveries, and one of passes in hand. Scores are seconds."""

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
        """Forget ids that will never run."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.zrem(schedule_key(task_type), *ids)
            pipe.zrem(delivered_key(task_type), *ids)
            pipe.execute()

    def settle(self, task_type: str, ids: Sequence[str]) -> None:
        """These deliveries are over. What is on the schedule stays: it may be the next attempt already."""
        if ids:
            with self.redis.pipeline(transaction=False) as pipe:
                pipe.zrem(delivered_key(task_type), *ids)
                pipe.execute()

    def promote(self, lanes: Sequence[Lane], *, now: float) -> Pass:
        """Take what is due, and when there is something, what will be within LOOK_AHEAD_S.

        Where workers have enough waiting already, ids stay on the schedule: in order, and deletable.
        """
        if not lanes:
            return Pass([])
        keys = chain.from_iterable(
            (schedule_key(lane.type), delivered_key(lane.type), rq_queue_key(lane.queue), f"rq:workers:{lane.queue}")
            for lane in lanes
        )
        limits: list[str | int] = [
            f"{now:.6f}", f"{now + LOST_AFTER_S:.6f}", f"{now + IN_HAND_S:.3f}", WAITING_PER_WORKER,
            str(LOOK_AHEAD_S), str(BEGIN_AHEAD_S),
        ]  # fmt: skip
        name, in_hand, answer = self._promote(keys=[IN_HAND, *keys], args=limits + [lane.envelope for lane in lanes])
        taken = [
            Promoted(lane.type, self._of_tasks(lane.type, due), self._with_instants(lane.type, ahead), left, workers)
            for lane, (due, ahead, left, _, workers, _) in zip(lanes, answer, strict=True)
        ]
        upcoming = (float(first) for *_, first, _, _ in answer if first)
        lost = (float(record) for record in (in_hand, *(each[-1] for each in answer)) if record)
        return Pass(taken, _as_text(name), min(upcoming, default=math.inf), min(lost, default=math.inf))

    def sent(self, made: Pass) -> None:
        """What this pass took is on RQ queues now: it may take a while until a worker claims it."""
        self.redis.zrem(IN_HAND, made.name)

    def _with_instants(self, task_type: str, members: Sequence[bytes | str]) -> list[tuple[str, float]]:
        """From id, instant, id, instant ..."""
        instants = dict(zip(members[::2], map(float, members[1::2]), strict=True))
        ids = set(self._of_tasks(task_type, members[::2]))
        return [(known, at) for each, at in instants.items() if (known := _as_text(each)) in ids]

    def _of_tasks(self, task_type: str, members: Sequence[bytes | str]) -> list[str]:
        """Those that are ids; whatever else somebody put on the schedule is forgotten."""
        ids = [_as_text(each) for each in members]
        if are_task_ids(ids):
            return ids
        strange = [each for each in members if not is_task_id(each)]
        self.redis.zrem(delivered_key(task_type), *strange)
        log.warning("strange_ids_dropped", type=task_type, count=len(strange))
        return [each for each in ids if is_task_id(each)]

    def take_back(self, task_types: Iterable[str], *, now: float) -> int:
        """Put deliveries that nobody claimed in time back on the schedule; how many."""
        keys = chain.from_iterable((delivered_key(each), schedule_key(each)) for each in task_types)
        limits = [f"{now:.6f}", f"{now + 2 * LOST_AFTER_S:.6f}"]
        return int(self._take_back(keys=[IN_HAND, *keys], args=limits))

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
    """An instant as seconds since 1970, to the microsecond."""
    return at.timestamp()


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


def _as_text(member: bytes | str) -> str:
    return member.decode(errors="replace") if isinstance(member, bytes) else member


def _soon(instant: float | None, far: float) -> bool:
    return instant is not None and instant < far
