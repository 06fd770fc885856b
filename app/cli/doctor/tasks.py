"""Does a worker serve each queue, did anything begin too early, and what went wrong?"""

from __future__ import annotations

from collections import Counter as Bag
from typing import TYPE_CHECKING

from app.cli.doctor.finding import Finding, fail, ok, warn
from app.ledger import counters, statistics
from app.ledger.counters import Counter
from app.ledger.workers import WorkerRow, known

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Engine

    from app.config import Settings
    from app.task_types import TaskTypes


def check_tasks(engine: Engine, types: TaskTypes, settings: Settings) -> Iterator[Finding]:
    """What Postgres alone knows. Raises LedgerAway."""
    yield from check_workers(known(engine), types, dead_after_s=settings.worker_dead_after_s)
    yield check_early(statistics.early_total(engine))
    yield check_counters(counters.totals(engine))


def check_early(early: int) -> Finding:
    """Did anything begin before its time? Then the one promise is broken that everything here is about."""
    if early:
        return fail("early", f"{early} tasks began before their time", "Report it, with their rows: lag_ms < 0.")
    return ok("early", "nothing began before its time")


def check_counters(totals: Mapping[Counter, int]) -> Finding:
    """What went wrong and was put right, since the beginning."""
    said = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in totals.items())
    if totals[Counter.REFUSED_JOBS]:
        return warn("counters", said, "Jobs were refused: who else writes into this Redis?")
    return ok("counters", said)


def check_workers(rows: Sequence[WorkerRow], types: TaskTypes, *, dead_after_s: float) -> Iterator[Finding]:
    """Is a worker alive for every queue that a type names?"""
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
            yield fail("workers", f"queue {queue}: none alive; nobody runs {names}", f"Start one: QUEUE={queue}.")
    silent = len(rows) - alive.total()
    if silent:
        yield warn(
            "workers", f"{silent} silent for over {dead_after_s:g} s", "Their tasks are rescued; see their logs."
        )
