"""Checks of the running service: workers of every queue, early starts, counters, reasons of late tasks."""

from __future__ import annotations

from collections import Counter as Bag
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from app.broker.contents import Contents
from app.cli.doctor.finding import Finding, fail, ok, warn
from app.cli.output import lag
from app.config import Settings
from app.ledger import counters, repairs, server, statistics, workers
from app.ledger.counters import Counter
from app.ledger.workers import WorkerRow
from app.task import Due, TaskState
from app.task_types import TaskType, TaskTypes

if TYPE_CHECKING:
    from sqlalchemy import Engine

LATE_S = 10.0
MAX_LATE_TYPES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LateTask:
    """The facts that explain why a task is late.

    `place` is where Redis has it (None: nowhere), `redis` whether Redis answers. The numbers are those of its queue.
    """

    type: str
    kind: TaskType | None
    alive: int = 0
    slots: int = 0
    running: int = 0
    redis: bool = True
    place: str | None = None
    deliveries: int = 0


def check_tasks(engine: Engine, types: TaskTypes, settings: Settings) -> Iterator[Finding]:
    """Run the checks that need Postgres alone. Raises LedgerUnavailable."""
    yield from check_workers(workers.known(engine), types, dead_after_s=settings.worker_dead_after_s)
    yield check_early(statistics.early_total(engine))
    yield check_counters(counters.totals(engine))


def check_early(early: int) -> Finding:
    """Check that no task started before its instant."""
    if early:
        return fail("early", f"{early} tasks started before their time", "Report it, with their rows: lag_ms < 0.")
    return ok("early", "no task started before its time")


def check_counters(totals: Mapping[Counter, int]) -> Finding:
    """Report the counters of repaired errors."""
    said = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in totals.items())
    if totals[Counter.REFUSED_JOBS]:
        return warn("counters", said, "Jobs were refused: find the other program that writes to this Redis.")
    return ok("counters", said)


def check_workers(rows: Sequence[WorkerRow], types: TaskTypes, *, dead_after_s: float) -> Iterator[Finding]:
    """Check that a worker is alive for every queue that a type names."""
    alive = Bag(row.queue for row in rows if row.silent_s <= dead_after_s)
    slots: Bag[str] = Bag()
    for row in rows:
        slots[row.queue] += row.slots * (row.silent_s <= dead_after_s)
    needed = {each.queue for each in types.delivered}
    for queue in sorted(alive.keys() | needed):
        if alive[queue]:
            yield ok("workers", f"queue {queue}: {alive[queue]} alive, {slots[queue]} slots")
        else:
            names = ", ".join(sorted(each.name for each in types.delivered if each.queue == queue))
            yield fail("workers", f"queue {queue}: no worker runs {names}", f"Start one with QUEUE={queue}.")
    silent = len(rows) - alive.total()
    if silent:
        yield warn(
            "workers", f"{silent} silent for over {dead_after_s:g} s", "Their tasks are rescued; see their logs."
        )
    for row in rows:
        if row.trouble and row.silent_s <= dead_after_s:
            yield warn("workers", f"{row.id}: {row.trouble}", "It runs no or fewer tasks; see its log.")


def check_late(engine: Engine, contents: Contents, types: TaskTypes, settings: Settings) -> Iterator[Finding]:
    """Report the oldest late task of each type and why it is late. Raises LedgerUnavailable."""
    now = server.clock(engine)
    until = now - timedelta(seconds=LATE_S)
    oldest: list[Due] = []
    for task_type in list(repairs.types_due(engine, until=until))[:MAX_LATE_TYPES]:
        oldest += repairs.due_between(engine, after=repairs.page_start(task_type), until=until, limit=1)
    for late in oldest:
        reason, remedy = why(_late_task(engine, contents, types, settings, late))
        said = f"{late.type} {late.id} is {lag((now - late.at).total_seconds() * 1000)} late: {reason}"
        yield warn("overdue", said, remedy)
    if not oldest:
        seconds = statistics.overdue(engine).oldest_s
        yield ok("overdue", f"the oldest due task is {lag(seconds * 1000)} late" if seconds else "nothing is late")


def why(late: LateTask) -> tuple[str, str]:
    """Return the first reason that applies, and its remedy."""
    if late.kind is None:
        return f"type {late.type} has no handler", "Add its module to TASK_MODULES, or deploy the release that has it."
    queue = late.kind.queue
    busy = late.running >= late.slots
    for fits, reason, remedy in (
        (late.kind.external, "no outside worker has claimed it", f"Is a worker for {late.type} running?"),
        (not late.alive, f"no worker is alive for queue {queue}", f"Start one: QUEUE={queue}."),
        (not late.redis, "Redis does not answer", "Start it, or correct REDIS_URL."),
        (late.place is None, "Redis does not know it", "Is a sweeper running? It restores such tasks within seconds."),
        (busy, f"all {late.slots} slots of queue {queue} are busy", "More workers, or more SLOTS for tasks that wait."),
        (late.place == "due" and not late.deliveries, "no promoter takes it from the due set", "Start a promoter."),
    ):
        if fits:
            return reason, remedy
    return (
        f"{late.deliveries} RQ jobs wait for the workers of queue {queue}",
        "Look at their logs; are they frozen or suspended?",
    )


def _late_task(engine: Engine, contents: Contents, types: TaskTypes, settings: Settings, due: Due) -> LateTask:
    if due.type not in types:
        return LateTask(type=due.type, kind=None)
    kind = types[due.type]
    types_of_queue = [each.name for each in types.delivered if each.queue == kind.queue]
    alive = [
        each
        for each in workers.known(engine)
        if each.queue == kind.queue and each.silent_s <= settings.worker_dead_after_s
    ]
    running = statistics.count(engine, types_of_queue).of_type
    facts = LateTask(
        type=due.type,
        kind=kind,
        alive=len(alive),
        slots=sum(each.slots for each in alive),
        running=sum(found.get(TaskState.RUNNING, 0) for found in running.values()),
        redis=False,
    )
    try:
        place = contents.place(due.type, due.id)
        deliveries = contents.depths([], [kind.queue]).rq_queues[kind.queue]
    except RedisError:
        return facts
    return replace(facts, redis=True, place=place, deliveries=deliveries)
