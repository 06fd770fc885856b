"""What can be done to tasks: create, delete, cancel, and all acts of outside workers.

Postgres is written first, the due set in Redis afterwards. After a crash between the two writes, the sweeper restores
what is missing in Redis.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from redis.exceptions import RedisError

from app import outcome
from app.broker.due_set import WINDOW_MARGIN_S
from app.counter_buffer import CounterBuffer
from app.errors import ClaimLost, InvalidInput, LedgerUnavailable, Refusal, StatementRejected
from app.ledger import claims, tasks
from app.ledger.counters import Counter
from app.logs import get_logger
from app.loop import describe
from app.task import Due, TaskState

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.broker.writer import DueSetWriter
    from app.outcome import Outcome
    from app.task import Lease, NewTask, Task
    from app.task_types import TaskTypes

log = get_logger()


class Operations:
    """The acts on both stores. `window_s` is how far ahead the due set reaches.

    Creation may use a pool of its own, `creating`, so that slow statements cannot starve it.
    """

    def __init__(
        self, engine: Engine, due_set: DueSet | DueSetWriter, types: TaskTypes, *, window_s: float,
        clock: Callable[[], float] = time.time, creating: Engine | None = None,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.creating = creating or engine
        self.counters = CounterBuffer(engine)
        self.due_set = due_set
        self.types = types
        self._delivered = frozenset(each.name for each in types.delivered)
        self._clock = clock
        self._window = timedelta(seconds=window_s + WINDOW_MARGIN_S)
        self._ahead_s = 0.0  # how far Postgres' clock, by which tasks are due, was ahead of `clock`

    def create(self, new: Sequence[NewTask]) -> list[Task | Refusal]:
        """Store tasks, then add those due soon to the due set; return each task, or why it was not stored.

        Raises:
            LedgerUnavailable: whether anything was stored is unknown, unless it is LedgerUnchanged.
        """
        try:
            stored = tasks.insert(self.creating, new)
        except StatementRejected:
            return [self._create_one(each) for each in new]
        self._ahead_s = stored[new[0].id].created_at.timestamp() - self._clock()
        self.add_due([Due(each.id, each.type, stored[each.id].execute_at) for each in new])
        return [each.scheduled(stored[each.id].execute_at, stored[each.id].created_at) for each in new]

    def _create_one(self, new: NewTask) -> Task | Refusal:
        try:
            stored = tasks.insert(self.creating, [new])[new.id]
        except StatementRejected:
            return InvalidInput("Postgres cannot keep these values.")
        except LedgerUnavailable as unavailable:  # others of this batch may be stored
            return unavailable
        self.add_due([Due(new.id, new.type, stored.execute_at)])
        return new.scheduled(stored.execute_at, stored.created_at)

    def create_together(self, new: Sequence[NewTask]) -> None:
        """Store all of these tasks, or none; then add those due soon to the due set.

        Raises:
            InvalidInput: Postgres refused a value.
            LedgerUnavailable: whether they were stored is unknown.
        """
        delayed = [each.id for each in new if each.execute_at is None]
        try:
            stored = tasks.insert(self.creating, new, answered=delayed)
        except StatementRejected:
            raise InvalidInput("Postgres cannot keep these values.") from None
        self.add_due([Due(each.id, each.type, each.execute_at or stored[each.id].execute_at) for each in new])

    def delete(self, task_id: UUID) -> Task:
        """Delete a task that has never started, so that it never will. The claim refuses an id that is left in Redis.

        Raises:
            TaskNotFound, TaskNotDeletable, LedgerUnavailable.
        """
        task = tasks.delete(self.engine, task_id)
        self._forget(task)
        return task

    def cancel(self, task_id: UUID) -> Task:
        """Cancel a task that has not started, or request that a running one is stopped and not tried again.

        The claim refuses an id that is left in Redis. A worker receives the request with its next heartbeat.

        Raises:
            TaskNotFound, TaskNotCancellable, LedgerUnavailable.
        """
        task = tasks.cancel(self.engine, task_id)
        if task.state is TaskState.CANCELLED:
            self._forget(task)
        return task

    def claim_due(self, *, worker_id: str, types: Sequence[str], limit: int) -> list[Lease]:
        """Claim for an outside worker up to `limit` due tasks of these types, the one due earliest first.

        Raises:
            LedgerUnavailable.
        """
        return claims.lease_due(self.engine, worker_id=worker_id, types=types, limit=limit)

    def claim_one(self, task_id: UUID, *, worker_id: str) -> Lease:
        """Claim this task for an outside worker.

        Raises:
            TaskNotFound, TaskDeleted, TaskNotClaimable, LedgerUnavailable.
        """
        types = [each.name for each in self.types.external]
        return claims.lease_one(self.engine, task_id, worker_id=worker_id, types=types)

    def extend_lease(self, task_id: UUID, token: UUID) -> tuple[Lease, bool]:
        """Renew the lease of an outside worker; return whether its task is to be cancelled.

        Raises:
            TaskNotFound, ClaimLost, LedgerUnavailable.
        """
        return claims.extend_lease(self.engine, task_id, token)

    def complete(self, task_id: UUID, token: UUID, result: str) -> Task:
        """Write the result (JSON text) of an outside worker's attempt.

        Raises:
            TaskNotFound, ClaimLost, LedgerUnavailable.
        """
        return self._finish(outcome.succeeded(str(task_id), str(token), result))

    def fail(self, task_id: UUID, token: UUID, *, error_type: str, message: str) -> Task:
        """Write that an outside worker's attempt failed; add the next attempt to the due set, if there is one.

        Raises:
            TaskNotFound, ClaimLost, LedgerUnavailable.
        """
        return self._finish(claims.failed_attempt(self.engine, str(task_id), str(token), error_type, message))

    def hand_back(self, task_id: UUID, token: UUID) -> Task:
        """Hand back an outside worker's claim; the attempt is not counted.

        Raises:
            TaskNotFound, ClaimLost, LedgerUnavailable.
        """
        return claims.hand_back_lease(self.engine, task_id, token)

    def hand_back_undelivered(self, leases: Sequence[Lease]) -> None:
        """Hand back claims whose answer did not reach the client. If Postgres does not answer, their leases expire."""
        held = [(str(each.task.id), str(each.claim_token)) for each in leases]
        try:
            handed_back = claims.hand_back(self.engine, held)
        except LedgerUnavailable:
            log.warning("claims_undelivered", tasks=len(held))
        else:
            self.counters.count(Counter.HANDED_BACK, len(handed_back))

    def _finish(self, ended: Outcome) -> Task:
        try:
            task, again = claims.finish_lease(self.engine, ended)
        except ClaimLost:
            self.counters.count(Counter.FENCED)
            raise
        self.add_due(again)
        return task

    def _forget(self, task: Task) -> None:
        try:
            self.due_set.remove(task.type, [str(task.id)])
        except RedisError as trouble:
            log.warning("redis_unavailable", doing="remove", trouble=describe(trouble))

    def add_due(self, entries: Sequence[Due]) -> None:
        """Add what is due soon to the due set. If Redis fails, the sweeper restores it."""
        horizon = datetime.fromtimestamp(self._clock() + self._ahead_s, UTC) + self._window
        soon = [each for each in entries if each.at < horizon and each.type in self._delivered]
        try:
            if soon:
                self.due_set.add(soon)
        except RedisError as trouble:
            log.warning("redis_unavailable", doing="add", tasks=len(soon), trouble=describe(trouble))
