"""The due set: the ids of tasks by their due time, and those that are delivered and not yet claimed."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from app.broker.keys import IN_FLIGHT, WAKE_CHANNEL, delivered_key, due_key
from app.broker.rq.keys import queue_key, workers_key
from app.logs import get_logger

if TYPE_CHECKING:
    from redis import Redis

    from app.task import Due

log = get_logger()

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TASK_ID, LINES_OF_IDS = re.compile(ID.encode()), re.compile(f"(?:{ID}\n)*+")
ID_LENGTH = 36
LUA = Path(__file__).parent / "lua"
IDS_PER_CALL = 200  # a script blocks Redis: a thousand ids take some milliseconds
MAX_IN_FLIGHT_S = 0.2
LOST_AFTER_S = 5.0
FAR_AHEAD_S = 60.0
BEGIN_AHEAD_S, LOOK_AHEAD_S = 0.05, 0.1
MAX_FULL_JOBS, MAX_QUEUED_JOBS = 3, 8  # per worker: of one type, and of all types together
PROMOTE_LIMITS = {
    "look_ahead_s": LOOK_AHEAD_S,
    "begin_ahead_s": BEGIN_AHEAD_S,
    "max_full_jobs": MAX_FULL_JOBS,
    "max_queued_jobs": MAX_QUEUED_JOBS,
}
FEED_INTERVAL_S = 30.0
WINDOW_MARGIN_S = 90.0
"""Tasks due later than this after the window are not added at their creation, because feeding will find them.

It is longer than a commit takes and than clocks differ.
"""


@dataclass(frozen=True, slots=True)
class Route:
    """How one type is delivered: to which RQ queue, and the maximum number of ids in one RQ job."""

    type: str
    queue: str
    max_ids: int


@dataclass(frozen=True, slots=True)
class Promoted:
    """The ids of one type that a promotion took: due `ids`, and ids `ahead` with the seconds at which they are due.

    `left` is the number of due ids for which there was no room, `workers` how many workers serve the queue.
    """

    type: str
    ids: list[str]
    ahead: list[tuple[str, float]]
    left: int
    workers: int


@dataclass(frozen=True, slots=True)
class Promotion:
    """The ids taken by type, when the next id is due, and when the next delivery may be lost (in seconds).

    Unless it is confirmed, its ids return to the due set after MAX_IN_FLIGHT_S. `name` identifies it in Redis.
    """

    taken: list[Promoted]
    name: str = ""
    next_at: float = math.inf
    lost_at: float = math.inf


class DueSet:
    """Two sorted sets for each type, due ids and deliveries, and one of promotions in flight. Scores are seconds."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._add = redis.register_script((LUA / "add.lua").read_text())
        self._promote = redis.register_script((LUA / "promote.lua").read_text())
        self._take_back = redis.register_script((LUA / "take_back.lua").read_text())

    def add(self, entries: Iterable[Due]) -> None:
        """Add ids, or move them to another instant."""
        for task_type, of_type in _by_type(entries).items():
            for batch in (of_type[i : i + IDS_PER_CALL] for i in range(0, len(of_type), IDS_PER_CALL)):
                pairs: list[float | str] = [value for each in batch for value in (score(each.at), each.id)]
                self._add(keys=[due_key(task_type), WAKE_CHANNEL], args=pairs)

    def remove(self, task_type: str, ids: Sequence[str]) -> None:
        """Remove ids that will never run, delivered ones too."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.zrem(due_key(task_type), *ids)
            pipe.zrem(delivered_key(task_type), *ids)
            pipe.execute()

    def remove_delivered(self, task_type: str, ids: Sequence[str]) -> None:
        """Remove deliveries that are over. The due set is not touched: an id there may be the next attempt."""
        if ids:
            self.redis.zrem(delivered_key(task_type), *ids)

    def promote(self, routes: Sequence[Route], *, now: float) -> Promotion:
        """Take due ids. If there are any, also take ids that will be due within LOOK_AHEAD_S.

        While the workers of a queue have enough to do, ids stay in the due set, ordered and deletable.
        """
        if not routes:
            return Promotion([])
        keys = ([due_key(it.type), delivered_key(it.type), queue_key(it.queue), workers_key(it.queue)] for it in routes)
        call = PROMOTE_LIMITS | {
            "now": f"{now:.6f}",
            "lost_at": f"{now + LOST_AFTER_S:.6f}",
            "in_flight_until": now + MAX_IN_FLIGHT_S,
            "routes": [{"type": route.type, "max_ids": route.max_ids} for route in routes],
        }
        name, in_flight, answer = self._promote(keys=[IN_FLIGHT, *chain.from_iterable(keys)], args=[orjson.dumps(call)])
        taken = [
            Promoted(route.type, *self._of_tasks(route.type, due, ahead), left, workers)
            for route, (due, ahead, left, _, workers, _) in zip(routes, answer, strict=True)
        ]
        upcoming = (float(first) for *_, first, _, _ in answer if first)
        lost = (float(record) for record in (in_flight, *(each[-1] for each in answer)) if record)
        return Promotion(taken, name.decode(), min(upcoming, default=math.inf), min(lost, default=math.inf))

    def confirm(self, promotion: Promotion) -> None:
        """Record that the ids are on RQ queues. From now on they are lost only after LOST_AFTER_S without a claim."""
        self.redis.zrem(IN_FLIGHT, promotion.name)

    def take_back(self, task_types: Iterable[str], *, now: float) -> int:
        """Return lost deliveries to the due set; return their number."""
        keys = chain.from_iterable((delivered_key(each), due_key(each)) for each in task_types)
        limits = [f"{now:.6f}", f"{now + 2 * LOST_AFTER_S:.6f}"]
        return int(self._take_back(keys=[IN_FLIGHT, *keys], args=limits))

    def unknown(self, entries: Sequence[Due], *, now: datetime) -> list[Due]:
        """Return those of these due tasks that Redis does not hold, or holds for a time far after `now`."""
        far = now.timestamp() + FAR_AHEAD_S
        unknown: list[Due] = []
        for task_type, of_type in _by_type(entries).items():
            ids = [each.id for each in of_type]
            with self.redis.pipeline(transaction=False) as pipe:
                pipe.zmscore(due_key(task_type), ids)
                pipe.zmscore(delivered_key(task_type), ids)
                waiting, delivered = pipe.execute()
            scores = zip(of_type, waiting, delivered, strict=True)
            unknown += [each for each, due, lost in scores if not _soon(due, far) and not _soon(lost, far)]
        return unknown

    def sizes(self, task_types: Iterable[str]) -> tuple[int, int]:
        """Count the ids in the due sets, and those that are delivered and not yet claimed."""
        names = list(task_types)
        with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zcard(due_key(name))
                pipe.zcard(delivered_key(name))
            counts = pipe.execute()
        return sum(counts[::2]), sum(counts[1::2])

    def _of_tasks(
        self, task_type: str, due: Sequence[bytes], ahead: Sequence[bytes]
    ) -> tuple[list[str], list[tuple[str, float]]]:
        """Return the due ids, and pairs of an id and its instant from the flat list `ahead`.

        Members that are not ids of tasks are left out, and removed from Redis.
        """
        ids = [each.decode(errors="replace") for each in due]
        pairs = [(each.decode(errors="replace"), float(at)) for each, at in zip(ahead[::2], ahead[1::2], strict=True)]
        if are_task_ids(ids + [each for each, _ in pairs]):
            return ids, pairs
        invalid = [each for each in (*due, *ahead[::2]) if not is_task_id(each)]
        self.redis.zrem(delivered_key(task_type), *invalid)
        log.warning("invalid_ids_dropped", type=task_type, count=len(invalid))
        return [each for each in ids if is_task_id(each)], [pair for pair in pairs if is_task_id(pair[0])]


def feed_interval_s(window_s: float) -> float:
    """Return how often the sweeper feeds a window of this length, so that no task is due before it is fed."""
    return min(FEED_INTERVAL_S, window_s / 2)


def score(at: datetime) -> float:
    """Return an instant as seconds since 1970, to the microsecond."""
    return at.timestamp()


def is_task_id(value: object) -> bool:
    """Return whether this is the id of a task, as text or bytes. Every client of Redis can write anything."""
    if isinstance(value, str):
        value = value.encode(errors="replace")
    return isinstance(value, bytes) and TASK_ID.fullmatch(value) is not None


def are_task_ids(values: Sequence[str]) -> bool:
    """Return whether all of these texts are ids of tasks. One match of all lines takes a third of the time.

    Raises:
        TypeError: a value is not a text.
    """
    lines = "\n".join(values) + "\n" if values else ""
    return len(lines) == (ID_LENGTH + 1) * len(values) and LINES_OF_IDS.fullmatch(lines) is not None


def _by_type(entries: Iterable[Due]) -> Mapping[str, list[Due]]:
    groups: defaultdict[str, list[Due]] = defaultdict(list)
    for each in entries:
        groups[each.type].append(each)
    return groups


def _soon(instant: float | None, far: float) -> bool:
    return instant is not None and instant < far
