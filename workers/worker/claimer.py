"""Claims delivered tasks as they fall due and slots are free, and gives them to the pool."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from app.broker.due_set import DueSet
from app.clock import now
from app.errors import LedgerUnavailable, LedgerUnchanged
from app.ledger import claims
from app.ledger.counters import Counter
from app.logs import get_logger
from app.loop import Outage, describe
from app.task import Due
from workers.worker.inbox import MAX_AHEAD_S, MIN_AHEAD_S

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.clock import PostgresClock
    from app.counter_buffer import CounterBuffer
    from app.task_types import TaskTypes
    from workers.pool.pool import Pool
    from workers.worker.inbox import Inbox
    from workers.worker.unresolved_claims import UnresolvedClaims

log = get_logger()

POLL_S = 0.25
UNKNOWN_TYPE_RETRY_S = 1.0
GATHER_S = 0.002


class Claimer:
    """Claims a batch of one type per step and runs it. Puts ids that waited too long back into the due set."""

    def __init__(
        self, engine: Engine, due_set: DueSet, inbox: Inbox, pool: Pool, types: TaskTypes, *, worker_id: str,
        unresolved: UnresolvedClaims, may_claim: threading.Event, counters: CounterBuffer, clock: PostgresClock,
        own_clock: Callable[[], float] = now,
    ) -> None:  # fmt: skip
        """`own_clock` is the clock that the run lease uses."""
        self._engine = engine
        self._due_set = due_set
        self._inbox = inbox
        self._pool = pool
        self._worker_id = worker_id
        self._unresolved = unresolved
        self._may_claim = may_claim
        self._counters = counters
        self._clock = clock
        self._own_clock = own_clock
        self._outage = Outage()
        self._types = [each.name for each in types.delivered]
        self._external = {each.name for each in types if each.external}

    def step(self, timeout_s: float = POLL_S) -> bool:
        """Wait for a batch, claim it and run it. Return whether there was one.

        Raises:
            LedgerUnavailable: a claim was not answered, or not executed. Its tasks are not run; those that it won are
                handed back once they are known.
        """
        self._clock.refresh()
        if not self._may_claim.is_set():
            self.put_back_all()
            self._may_claim.wait(timeout_s)
            return False
        if stale := self._inbox.take_stale():
            self._put_back(*stale)
        if self._inbox.slots_are_scarce:
            time.sleep(GATHER_S)  # slots that become free together are filled by one claim
        batch = self._inbox.take(timeout_s)
        if batch:
            self._claim_and_run(*batch)
        return batch is not None

    def put_back_all(self) -> None:
        """Return all ids that are not claimed to the due set, unless Redis is unavailable.

        Raises:
            LedgerUnavailable: it is unknown which of the tasks are still scheduled.
        """
        while rest := self._inbox.take_any():
            if not self._put_back(*rest):
                return

    def _put_back(self, task_type: str, ids: Sequence[str]) -> bool:
        return self._update_due_set(task_type, ids, claims.waiting(self._engine, ids))

    def _claim_and_run(self, task_type: str, ids: Sequence[str]) -> None:
        """Claim the ids. Run claimed tasks, keep those that are due soon, return later ones to the due set.

        Without an answer, the ids are claimed again with another token, which wins the tasks that the first claim has
        not won. Those that it has won are handed back once they are known.
        """
        token, asked_at = claims.new_token(), self._own_clock()
        try:
            claimed = claims.claim(
                self._engine, ids, worker_id=self._worker_id, types=self._types, token=token, asked_at=asked_at
            )
        except LedgerUnavailable as unavailable:
            if not isinstance(unavailable, LedgerUnchanged):
                log.warning("claim_unanswered", count=len(ids))
                self._counters.count(Counter.CLAIMS_UNANSWERED)
                self._unresolved.add(ids, token)
            self._inbox.put(task_type, ids)
            raise
        self._pool.run(claimed.mine)
        if lost := len(ids) - len(claimed.mine) - len(claimed.waiting):
            self._counters.count(Counter.CLAIMS_LOST, lost)
        soon = {each.id: each.at.timestamp() for each in claimed.waiting if self._is_soon(each)}
        if soon:
            self._inbox.put(task_type, (), list(soon.items()), min_ahead_s=MIN_AHEAD_S)  # this clock may be ahead
        later = [self._delayed(each) for each in claimed.waiting if each.id not in soon]
        self._update_due_set(task_type, [each for each in ids if each not in soon], later)

    def _is_soon(self, due: Due) -> bool:
        return due.type in self._types and due.at.timestamp() < self._clock.now() + MAX_AHEAD_S

    def _delayed(self, due: Due) -> Due:
        """Delay a task of a type that this release does not know: a newer worker may take it meanwhile."""
        if due.type in self._types:
            return due
        retry_at = datetime.fromtimestamp(self._clock.now() + UNKNOWN_TYPE_RETRY_S, UTC)
        return Due(due.id, due.type, max(due.at, retry_at))

    def _update_due_set(self, task_type: str, ids: Sequence[str], back: Sequence[Due]) -> bool:
        """Remove the ids from the deliveries, add the tasks `back` to the due set. Return whether Redis was available.

        If it was not, the record of the delivery expires and the ids are delivered again; a claim refuses those that
        have run. Tasks of outside workers are never in the due set.
        """
        try:
            self._due_set.remove_delivered(task_type, ids)
            if back:
                self._due_set.add([each for each in back if each.type not in self._external])
        except RedisError as error:
            if self._outage.is_new(error):
                log.warning("redis_unavailable", doing="remove", tasks=len(ids), trouble=describe(error))
            return False
        if self._outage.end():
            log.info("redis_available", doing="remove")
        return True
