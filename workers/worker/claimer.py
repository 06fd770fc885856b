"""Claims what was delivered, as it falls due and slots are free, and hands it to the slots."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from app.broker.due_set import DueSet, ScheduleAway
from app.errors import LedgerAway
from app.ledger import claims
from app.ledger.counters import Counter
from app.task import Claim, Due
from workers.slots.permit import now
from workers.worker.intake import LONGEST_AHEAD_S

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from app.counter_buffer import CounterBuffer
    from app.task_types import TaskTypes
    from workers.slots.slots import Slots
    from workers.worker.intake import Intake
    from workers.worker.lost_answers import LostAnswers

log = structlog.get_logger()

LOOK_EVERY_S = 0.25
UNKNOWN_TYPE_AGAIN_S = 1.0
SHORT_S = 0.002


class Claimer:
    """One step after another: a batch of one type is claimed and begun; what waited for too long goes back."""

    def __init__(
        self, engine: Engine, schedule: DueSet, intake: Intake, slots: Slots, types: TaskTypes, *, worker_id: str,
        lost_answers: LostAnswers, may_claim: threading.Event, tally: CounterBuffer, clock: Callable[[], float] = now,
        before_step: Callable[[], None] = lambda: None, pause: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._schedule = schedule
        self._intake = intake
        self._slots = slots
        self._worker_id = worker_id
        self._lost_answers = lost_answers
        self._may_claim = may_claim
        self._tally = tally
        self._clock = clock
        self._before_step = before_step
        self._pause = pause
        self._types = [each.name for each in types.delivered]
        self._external = {each.name for each in types if each.external}

    def step(self, timeout_s: float = LOOK_EVERY_S) -> bool:
        """Wait for a batch, claim and begin it; whether there was one.

        Raises:
            LedgerAway: an unanswered claim is neither run nor repeated: what it won is handed back once that is known.
        """
        self._before_step()
        if not self._may_claim.is_set():
            self.put_back_all()
            self._may_claim.wait(timeout_s)
            return False
        if old := self._intake.take_impatient():
            self._put_back(*old)
        if self._intake.is_short:
            self._pause(SHORT_S)  # slots that become free together are filled by one claim
        batch = self._intake.take(timeout_s)
        if batch:
            self._claim_and_run(*batch)
        return batch is not None

    def put_back_all(self) -> None:
        """What has not begun goes back on the schedule, still scheduled, unless Redis is away. Raises LedgerAway."""
        while rest := self._intake.take_any():
            if not self._put_back(*rest):
                return

    def _put_back(self, task_type: str, ids: Sequence[str]) -> bool:
        return self._tell_schedule(task_type, ids, claims.waiting(self._engine, ids))

    def _claim_and_run(self, task_type: str, ids: Sequence[str]) -> None:
        """The claim's answers: mine is run; waiting is tried again at its instant; taken and gone are forgotten."""
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
        for of_one_type in _by_type(claimed.mine):
            self._slots.run(of_one_type)
        self._tally.count(Counter.CLAIMS_LOST, len(ids) - len(claimed.mine) - len(claimed.waiting))
        soon = {each.id: each.at.timestamp() for each in claimed.waiting if self._is_soon(each)}
        self._intake.put_again(task_type, list(soon.items()))
        later = [self._not_at_once(each) for each in claimed.waiting if each.id not in soon]
        self._tell_schedule(task_type, [each for each in ids if each not in soon], later)

    def _is_soon(self, due: Due) -> bool:
        return due.type in self._types and due.at.timestamp() < self._intake.clock() + LONGEST_AHEAD_S

    def _not_at_once(self, due: Due) -> Due:
        """A type that this release does not know is for a newer worker: not to be tried in a circle."""
        if due.type in self._types:
            return due
        later = datetime.fromtimestamp(self._intake.clock() + UNKNOWN_TYPE_AGAIN_S, UTC)
        return Due(due.id, due.type, max(due.at, later))

    def _tell_schedule(self, task_type: str, ids: Sequence[str], back: Sequence[Due]) -> bool:
        """The delivery is over; whether Redis heard. If not, its record expires, and claims refuse what comes of it.

        What outside workers run is never on the schedule.
        """
        try:
            self._schedule.settle(task_type, ids)
            self._schedule.add([each for each in back if each.type not in self._external])
        except ScheduleAway as away:
            log.warning("schedule_away", doing="settle", tasks=len(ids), trouble=type(away).__name__)
            return False
        return True


def _by_type(won: Sequence[Claim]) -> list[list[Claim]]:
    """Slots differ by type, and an envelope may say a wrong one."""
    groups: defaultdict[str, list[Claim]] = defaultdict(list)
    for each in won:
        groups[each.type].append(each)
    return list(groups.values())
