"""Do the two stores agree, is anything late, and does a worker serve each queue?"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from app.cli.doctor.finding import Finding, fail, ok, warn
from app.cli.tables import lag
from app.ledger.repairs import BEGINNING, clock, due_between, oldest_overdue_s
from app.ledger.workers import WorkerRow, known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Engine

    from app.config import Settings
    from app.schedule.schedule import Schedule
    from app.task_types import TaskTypes

LOOKED_AT = 5000
SWEPT_WITHIN_S = 5.0
LATE_S = 10.0


def check_tasks(engine: Engine, types: TaskTypes, settings: Settings) -> Iterator[Finding]:
    """What Postgres alone knows. Raises LedgerAway."""
    yield check_overdue(oldest_overdue_s(engine))
    yield from check_workers(known(engine), types, dead_after_s=settings.worker_dead_after_s)


def check_drift(engine: Engine, schedule: Schedule, types: TaskTypes) -> Finding:
    """Are tasks due that Redis does not know? Younger than a sweep they may be. Raises LedgerAway, ScheduleAway."""
    until = clock(engine) - timedelta(seconds=SWEPT_WITHIN_S)
    ours = {each.name for each in types.delivered}
    due = [each for each in due_between(engine, after=BEGINNING, until=until, limit=LOOKED_AT) if each.type in ours]
    waiting, delivered = schedule.sizes(ours)
    sizes = f"{waiting} on the schedule, {delivered} delivered"
    lost = len(schedule.unknown(due, now=until))
    if lost:
        return warn(
            "drift", f"{lost} due tasks are unknown to Redis; {sizes}", "Is a sweeper running? It restores them."
        )
    return ok("drift", f"Redis knows every due task; {sizes}")


def check_overdue(oldest_s: float) -> Finding:
    """How late is the oldest task that should have begun?"""
    if oldest_s > LATE_S:
        remedy = "More workers, or look why they do not take it: a type nobody serves, an outside worker that is away?"
        return warn("overdue", f"the oldest due task is {lag(oldest_s * 1000)} late", remedy)
    return ok("overdue", f"the oldest due task is {lag(oldest_s * 1000)} late" if oldest_s else "nothing is late")


def check_workers(rows: Sequence[WorkerRow], types: TaskTypes, *, dead_after_s: float) -> Iterator[Finding]:
    """Is a worker alive for every queue that a type names?"""
    alive = Counter(row.queue for row in rows if row.silent_s <= dead_after_s)
    slots: Counter[str] = Counter()
    for row in rows:
        slots[row.queue] += row.slots * (row.silent_s <= dead_after_s)
    needed = {each.queue for each in types.delivered}
    for queue in sorted(alive.keys() | needed):
        if alive[queue]:
            yield ok("workers", f"queue {queue}: {alive[queue]} alive, {slots[queue]} slots")
        else:
            names = ", ".join(sorted(each.name for each in types.delivered if each.queue == queue))
            yield fail("workers", f"queue {queue}: none alive; nobody runs {names}", f"Start one: QUEUE={queue}.")
    silent = len(rows) - alive.total()
    if silent:
        yield warn(
            "workers", f"{silent} silent for over {dead_after_s:g} s", "Their tasks are rescued; see their logs."
        )
