"""The acts that touch both stores, truth first: what is not announced in Redis, the sweeper restores."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from app import outcome
from app.broker.due_set import ANNOUNCE_MARGIN_S, ScheduleAway
from app.counter_buffer import CounterBuffer
from app.errors import ClaimLost, InvalidInput, LedgerAway, StatementRefused
from app.ledger import claims, tasks
from app.ledger.counters import Counter
from app.task import Due, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.broker.writer import DueSetWriter
    from app.ledger.tasks import Stored
    from app.outcome import Outcome
    from app.task import Lease, NewTask, Task
    from app.task_types import TaskTypes

log = structlog.get_logger()


class Operations:
    """The two stores, and how far ahead the schedule looks.

    What creates tasks may have connections of its own: nobody who waits for a row keeps it waiting.
    """

    def __init__(
        self, engine: Engine, schedule: DueSet | DueSetWriter, types: TaskTypes, *, window_s: float,
        clock: Callable[[], float] = time.time, creating: Engine | None = None,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.creating = creating or engine
        self.tally = CounterBuffer(engine)
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
            stored = self._insert(new)
        except StatementRefused:
            if len(new) > 1:
                return [self.create([each])[0] for each in new]
            return [InvalidInput("Postgres cannot keep these values.")]
        kept = [each.scheduled(stored[each.id].execute_at, stored[each.id].created_at) for each in new]
        self.announce([Due(str(task.id), task.type, task.execute_at) for task in kept])
        return list(kept)

    def create_together(self, new: Sequence[NewTask]) -> None:
        """Keep all of these tasks, or none; then announce those due soon. What a crash leaves is as with `create`.

        Raises:
            InvalidInput: Postgres refused a value.
            LedgerAway: it is unknown whether they are kept.
        """
        delayed = [each.id for each in new if each.execute_at is None]
        try:
            stored = self._insert(new, answered=delayed)
        except StatementRefused:
            raise InvalidInput("Postgres cannot keep these values.") from None
        self.announce([Due(each.id, each.type, each.execute_at or stored[each.id].execute_at) for each in new])

    def delete(self, task_id: UUID) -> Task:
        """Delete a task that never began: it never will. An id left in Redis is refused by the claim.

        Raises:
            TaskNotFound, TaskNotDeletable, LedgerAway.
        """
        task = tasks.delete(self.engine, task_id)
        self._forget(task)
        return task

    def cancel(self, task_id: UUID) -> Task:
        """Cancel a task that has not begun; ask the worker of a running one to stop it, and not to try it again.

        An id left in Redis is refused by the claim. A worker learns of the request with its next heartbeat.

        Raises:
            TaskNotFound, TaskNotCancellable, LedgerAway.
        """
        task = tasks.cancel(self.engine, task_id)
        if task.state is TaskState.CANCELLED:
            self._forget(task)
        return task

    def claim_due(self, *, worker_id: str, types: Sequence[str], limit: int) -> list[Lease]:
        """Claim for an outside worker up to `limit` due tasks of these types, the one due earliest first.

        Raises:
            LedgerAway.
        """
        return claims.lease_due(self.engine, worker_id=worker_id, types=types, limit=limit)

    def claim_one(self, task_id: UUID, *, worker_id: str) -> Lease:
        """Claim this task for an outside worker.

        Raises:
            TaskNotFound, TaskDeleted, TaskNotClaimable, LedgerAway.
        """
        types = [each.name for each in self.types.external]
        return claims.lease_one(self.engine, task_id, worker_id=worker_id, types=types)

    def extend_lease(self, task_id: UUID, token: UUID) -> tuple[Lease, bool]:
        """Renew the lease of an outside worker; whether its task is to be cancelled.

        Raises:
            TaskNotFound, ClaimLost, LedgerAway.
        """
        return claims.extend_lease(self.engine, task_id, token)

    def complete(self, task_id: UUID, token: UUID, result: str) -> Task:
        """Write the result (JSON text) of an outside worker's attempt.

        Raises:
            TaskNotFound, ClaimLost, LedgerAway.
        """
        return self._finish(outcome.succeeded(str(task_id), str(token), result))

    def fail(self, task_id: UUID, token: UUID, *, error_type: str, message: str) -> Task:
        """Write that an outside worker's attempt failed; add the next attempt to the due set, if there is one.

        Raises:
            TaskNotFound, ClaimLost, LedgerAway.
        """
        return self._finish(claims.failed_attempt(self.engine, str(task_id), str(token), error_type, message))

    def release(self, task_id: UUID, token: UUID) -> Task:
        """Hand back an outside worker's claim; the attempt is not counted.

        Raises:
            TaskNotFound, ClaimLost, LedgerAway.
        """
        return claims.release_lease(self.engine, task_id, token)

    def _finish(self, ended: Outcome) -> Task:
        try:
            task, again = claims.finish_lease(self.engine, ended)
        except ClaimLost:
            self.tally.count(Counter.FENCED)
            raise
        self.announce(again)
        return task

    def _forget(self, task: Task) -> None:
        try:
            self.schedule.remove(task.type, [str(task.id)])
        except ScheduleAway as trouble:
            log.warning("schedule_away", doing="delete", trouble=type(trouble).__name__)

    def announce(self, entries: Sequence[Due]) -> None:
        """Tell Redis what is due soon. Its failure changes nothing that was promised."""
        horizon = datetime.fromtimestamp(self._clock(), UTC) + self.announce_within
        soon = [each for each in entries if each.at < horizon and self.types.delivers(each.type)]
        try:
            if soon:
                self.schedule.add(soon)
        except ScheduleAway as trouble:
            log.warning("schedule_away", doing="announce", tasks=len(soon), trouble=type(trouble).__name__)

    def _insert(self, new: Sequence[NewTask], *, answered: Sequence[str] | None = None) -> dict[str, Stored]:
        """Insert, a second time if the connection broke: the ids are ours, so nothing is stored twice."""
        try:
            stored = tasks.insert(self.creating, new, answered=answered)
        except LedgerAway:
            stored = tasks.insert(self.creating, new, answered=answered)
        wanted = [each.id for each in new] if answered is None else answered
        if unknown := [each for each in wanted if each not in stored]:  # the first insert stored them
            stored |= tasks.stored(self.creating, unknown)
        return stored
