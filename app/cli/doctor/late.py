"""Is anything late, and why? The likely reason, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from app.broker.due_set import ScheduleAway
from app.cli.doctor.finding import Finding, ok, warn
from app.cli.tables import lag
from app.ledger import repairs, statistics, workers
from app.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from app.broker.contents import Contents
    from app.config import Settings
    from app.task import Due
    from app.task_types import TaskType, TaskTypes

LATE_S = 10.0
MOST_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is to be known of a late task: `place` is where Redis has it, None nowhere; `redis` whether it answers."""

    type: str
    kind: TaskType | None
    alive: int = 0
    slots: int = 0
    running: int = 0
    redis: bool = True
    place: str | None = None
    envelopes: int = 0


def check_late(engine: Engine, contents: Contents, types: TaskTypes, settings: Settings) -> Iterator[Finding]:
    """The oldest late task of each type, and why. Raises LedgerAway."""
    now = repairs.clock(engine)
    until = now - timedelta(seconds=LATE_S)
    oldest: list[Due] = []
    for task_type in list(repairs.types_due(engine, until=until))[:MOST_TOLD]:
        oldest += repairs.due_between(engine, after=repairs.beginning(task_type), until=until, limit=1)
    for late in oldest:
        reason, remedy = why(_surroundings(engine, contents, types, settings, late))
        said = f"{late.type} {late.id} is {lag((now - late.at).total_seconds() * 1000)} late: {reason}"
        yield warn("overdue", said, remedy)
    if not oldest:
        seconds = statistics.overdue(engine).oldest_s
        yield ok("overdue", f"the oldest due task is {lag(seconds * 1000)} late" if seconds else "nothing is late")


def why(seen: Surroundings) -> tuple[str, str]:
    """The likely reason, and what to do; the first that fits."""
    if seen.kind is None:
        return f"type {seen.type} has no handler", "Add its module to TASK_MODULES, or deploy the release that has it."
    queue = seen.kind.queue
    busy = seen.running >= seen.slots
    for fits, reason, remedy in (
        (seen.kind.external, "no outside worker has claimed it", f"Is a worker for {seen.type} running?"),
        (not seen.alive, f"no worker is alive for queue {queue}", f"Start one: QUEUE={queue}."),
        (not seen.redis, "Redis does not answer", "Start it, or correct REDIS_URL."),
        (seen.place is None, "Redis does not know it", "Is a sweeper running? It restores such tasks within seconds."),
        (busy, f"all {seen.slots} slots of queue {queue} are busy", "More workers, or more SLOTS for tasks that wait."),
        (seen.place == "schedule" and not seen.envelopes, "no promoter takes it off the schedule", "Start a promoter."),
    ):
        if fits:
            return reason, remedy
    return (
        f"{seen.envelopes} envelopes wait for the workers of queue {queue}",
        "Their logs; are they frozen, or suspended?",
    )


def _surroundings(engine: Engine, contents: Contents, types: TaskTypes, settings: Settings, late: Due) -> Surroundings:
    if late.type not in types:
        return Surroundings(type=late.type, kind=None)
    kind = types[late.type]
    mates = [each.name for each in types.delivered if each.queue == kind.queue]
    alive = [
        each
        for each in workers.known(engine)
        if each.queue == kind.queue and each.silent_s <= settings.worker_dead_after_s
    ]
    running = statistics.count(engine, mates).of_type
    seen = Surroundings(
        type=late.type,
        kind=kind,
        alive=len(alive),
        slots=sum(each.slots for each in alive),
        running=sum(found.get(TaskState.RUNNING, 0) for found in running.values()),
        redis=False,
    )
    try:
        place = contents.place(late.type, late.id)
        envelopes = contents.depths([], [kind.queue]).rq_queues[kind.queue]
    except ScheduleAway:
        return seen
    return replace(seen, redis=True, place=place, envelopes=envelopes)
