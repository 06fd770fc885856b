"""The acts that touch both stores, truth first: what is not announced in Redis, the sweeper restores."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import structlog

from app.errors import ClaimLost, InvalidInput, LedgerAway, StatementRefused
from app.ledger import leases, tasks
from app.ledger.counters import Counter
from app.schedule.schedule import ScheduleAway
from app.schedule.window import ANNOUNCE_MARGIN_S
from app.tally import Tally
from app.task import Due, NewTask, Outcome, Task, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from app.schedule.announcer import Announcer
    from app.schedule.schedule import Schedule
    from app.task_types import TaskTypes

log = structlog.get_logger()


class Operations:
    """The two stores, and how far ahead the schedule looks.

    What creates tasks may have connections of its own: nobody who waits for a row keeps it waiting.
    """

    def __init__(
        self, engine: Engine, schedule: Schedule | Announcer, types: TaskTypes, *, window_s: float,
        clock: Callable[[], float] = time.time, creating: Engine | None = None,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.creating = creating or engine
        self.tally = Tally(engine)
        self.schedule = schedule
        self.types = types
        self._clock = clock
        self.announce_within = timedelta(seconds=window_s + ANNOUNCE_MARGIN_S)

    def create(self, new: Sequence[NewTask]) -> list[Task | InvalidInput]:
        """Keep tasks, then announce those due soon; each kept task, or why Postgres refused it.

        A crash in between leaves tasks that Redis does not know; so does a Redis that is away.

        Raises:
            LedgerAway: nothing is known to be kept.
        """
        try:
            instants = self._insert(new)
        except StatementRefused:
            if len(new) > 1:
                return [self.create([each])[0] for each in new]
            return [InvalidInput("Postgres cannot keep these values.")]
        kept = [_scheduled(each, *instants[each.id]) for each in new]
        self.announce([Due(str(task.id), task.type, task.execute_at) for task in kept])
        return list(kept)

    def create_together(self, new: Sequence[NewTask]) -> None:
        """Keep all of these tasks, or none; then announce those due soon. What a crash leaves is as with `create`.

        Raises:
            InvalidInput: Postgres refused a value.
            LedgerAway: it is unknown whether they are kept.
        """
        try:
            try:
                instants = tasks.insert_together(self.creating, new)
            except LedgerAway:
                instants = tasks.insert_together(self.creating, new)  # ids are ours: what was kept is not kept twice
        except StatementRefused:
            raise InvalidInput("Postgres cannot keep these values.") from None
        unknown = [each.id for each in new if each.execute_at is None and each.id not in instants]
        if unknown:  # they were kept the first time
            instants |= {task_id: at for task_id, (at, _) in tasks.kept(self.creating, unknown).items()}
        self.announce([Due(each.id, each.type, each.execute_at or instants[each.id]) for each in new])

    def delete(self, task_id: UUID) -> Task:
        """Delete a task that never began: it never will. An id left in Redis is refused by the claim.

        Raises:
            TaskNotFound, TaskNotDeletable, LedgerAway.
        """
        task = tasks.delete(self.engine, task_id)
        try:
            self.schedule.remove(task.type, [str(task.id)])
        except ScheduleAway as trouble:
            log.warning("schedule_away", doing="delete", trouble=type(trouble).__name__)
        return task

    def finish_lease(self, task_id: UUID, outcome: Outcome) -> Task:
        """Write how an outside worker's attempt ended; announce the next attempt, if there is one.

        Raises:
            TaskNotFound, ClaimLost, LedgerAway.
        """
        try:
            task, again = leases.finish_lease(self.engine, task_id, outcome)
        except ClaimLost:
            self.tally.count(Counter.FENCED)
            raise
        self.announce(again)
        return task

    def announce(self, entries: Sequence[Due]) -> None:
        """Tell Redis what is due soon. Its failure changes nothing that was promised."""
        horizon = datetime.fromtimestamp(self._clock(), UTC) + self.announce_within
        soon = [each for each in entries if each.at < horizon and self.types.delivers(each.type)]
        try:
            if soon:
                self.schedule.add(soon)
        except ScheduleAway as trouble:
            log.warning("schedule_away", doing="announce", tasks=len(soon), trouble=type(trouble).__name__)

    def _insert(self, new: Sequence[NewTask]) -> dict[str, tuple[datetime, datetime]]:
        """Insert, once more if the connection broke: ids are ours, so the second time changes nothing kept."""
        try:
            instants = tasks.insert(self.creating, new)
        except LedgerAway:
            instants = tasks.insert(self.creating, new)
        if len(instants) < len(new):
            instants |= tasks.kept(self.creating, [each.id for each in new])
        return instants


def _scheduled(new: NewTask, execute_at: datetime, created_at: datetime) -> Task:
    return Task(
        id=UUID(new.id),
        type=new.type,
        state=TaskState.SCHEDULED,
        execute_at=execute_at,
        payload=msgspec.json.decode(new.payload),
        timeout_s=new.timeout_s,
        attempt=0,
        max_attempts=new.max_attempts,
        next_attempt_at=None,
        created_at=created_at,
        started_at=None,
        finished_at=None,
        deleted_at=None,
        lag_ms=None,
        worker_id=None,
        result=None,
        error=None,
    )
