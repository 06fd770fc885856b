"""Takes an envelope: waits for free slots, claims that many, hands them over, until the envelope is empty."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from app.errors import LedgerAway
from app.ledger import claims
from app.ledger.counters import Counter
from app.schedule.schedule import Schedule, ScheduleAway
from app.task import Due
from workers.slots.permit import now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from app.tally import Tally
    from app.task_types import TaskTypes
    from workers.slots.slots import Slots
    from workers.worker.lost_answers import LostAnswers

log = structlog.get_logger()

PATIENCE_S = 2.0  # an envelope waits for a slot here for so long; then its ids go back, for other workers
UNKNOWN_TYPE_AGAIN_S = 1.0


class Receiver:
    """What the function that RQ calls does in this process."""

    def __init__(
        self, engine: Engine, schedule: Schedule, slots: Slots, types: TaskTypes, *, worker_id: str,
        lost_answers: LostAnswers, stop: threading.Event, may_claim: threading.Event, tally: Tally,
        clock: Callable[[], float] = now,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._schedule = schedule
        self._slots = slots
        self._worker_id = worker_id
        self._lost_answers = lost_answers
        self._stop = stop
        self._may_claim = may_claim
        self._tally = tally
        self._clock = clock
        self._types = [each.name for each in types.delivered]
        self._claiming = threading.Lock()
        self._external = {each.name for each in types if each.external}

    def wait_until_nothing_is_claimed(self, timeout_s: float) -> None:
        """A claim on its way is answered, and what it won handed over, when this returns; or the time is over."""
        if self._claiming.acquire(timeout=max(0.0, timeout_s)):
            self._claiming.release()

    def receive(self, task_type: str, ids: Sequence[str]) -> None:
        """Claim and begin these; what cannot begin soon goes back on the schedule, still scheduled."""
        rest = list(ids)
        while rest:
            free = self._slots.room.wait(PATIENCE_S)
            if not free or self._stop.is_set() or not self._may_claim.is_set():
                self._put_back(task_type, rest)
                return
            fitting = self._slots.pace.capacity(task_type, free)
            self._claim_and_run(task_type, rest[:fitting])
            rest = rest[fitting:]

    def _claim_and_run(self, task_type: str, ids: Sequence[str]) -> None:
        """The claim's answers: mine is run; waiting goes back to its instant; taken and gone are forgotten.

        An unanswered claim is neither run nor repeated: what it won, if anything, is handed back once that is known.
        """
        with self._claiming:
            token, asked_at = claims.new_token(), self._clock()
            try:
                claimed = claims.claim(
                    self._engine, ids, worker_id=self._worker_id, types=self._types, token=token, asked_at=asked_at
                )
            except LedgerAway:
                log.warning("claim_unanswered", count=len(ids))
                self._tally.count(Counter.CLAIMS_UNANSWERED)
                self._lost_answers.add(ids, token)
                raise
            self._slots.run(claimed.mine)
        self._tally.count(Counter.CLAIMS_LOST, len(ids) - len(claimed.mine) - len(claimed.waiting))
        self._tell_schedule(task_type, ids, [self._not_at_once(each) for each in claimed.waiting])

    def _put_back(self, task_type: str, ids: Sequence[str]) -> None:
        self._tell_schedule(task_type, ids, claims.waiting(self._engine, ids))

    def _not_at_once(self, due: Due) -> Due:
        """A type that this release does not know is for a newer worker: not to be tried in a circle."""
        if due.type in self._types:
            return due
        return Due(due.id, due.type, max(due.at, datetime.now(UTC) + timedelta(seconds=UNKNOWN_TYPE_AGAIN_S)))

    def _tell_schedule(self, task_type: str, ids: Sequence[str], back: Sequence[Due]) -> None:
        """The delivery is over. If Redis is away, its record expires, and the claim refuses what comes of it.

        What outside workers run is never on the schedule.
        """
        try:
            self._schedule.remove(task_type, ids)
            self._schedule.add([each for each in back if each.type not in self._external])
        except ScheduleAway as away:
            log.warning("schedule_away", doing="settle", tasks=len(ids), trouble=type(away).__name__)
