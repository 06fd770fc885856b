"""Writes outcomes: whatever has gathered goes into one conditional update."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

import structlog

from app.broker.contents import put_durations
from app.broker.due_set import DueSet, ScheduleAway
from app.errors import LedgerAway, StatementRefused
from app.ledger import claims
from app.ledger.counters import Counter
from app.loop import Backoff
from app.outcome import Outcome
from app.task import Claim, Due

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Engine

    from app.counter_buffer import CounterBuffer

log = structlog.get_logger()

T = TypeVar("T")
MOST_AT_ONCE = 1000
MOST_BYTES = 8 << 20  # within the statement timeout of a slow server, too
PUBLISH_EVERY_S = 0.25
GATHER_S = 0.003  # in a stream of outcomes: one statement for all that come meanwhile


class Finisher:
    """A thread that writes what its worker's slots tell, until Postgres has it: an outcome is never dropped."""

    def __init__(self, engine: Engine, schedule: DueSet, tally: CounterBuffer) -> None:
        self._engine = engine
        self._schedule = schedule
        self._tally = tally
        self._inbox: SimpleQueue[Sequence[Outcome] | Sequence[Claim] | None] = SimpleQueue()
        self._backoff = Backoff("finisher")
        self._published_at = self._wrote_at = float("-inf")
        self._thread = threading.Thread(target=self._write_forever, name="finisher", daemon=True)
        self.durations: Callable[[], Mapping[str, float]] = dict

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def ended(self, outcomes: Sequence[Outcome]) -> None:
        """Attempts are over; their outcomes are to be written."""
        self._inbox.put(outcomes)

    def unused(self, handed_back: Sequence[Claim]) -> None:
        """The code of these claims has not begun; they are to be scheduled again."""
        self._inbox.put(handed_back)

    def finish_and_stop(self, timeout_s: float) -> bool:
        """Write what is left; True when all of it is written within the time."""
        self._inbox.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _write_forever(self) -> None:
        stopping = False
        while not stopping:
            outcomes, unused, stopping = self._gather()
            again: list[Due] = []
            if outcomes:
                again += self._surely(self._finish, outcomes)
            if unused:
                again += self._surely(self._release, unused)
            self._announce(again)
            self._wrote_at = time.monotonic()

    def _gather(self) -> tuple[list[Outcome], list[Claim], bool]:
        """Wait for something, and take all there is; whether it is the last."""
        outcomes: list[Outcome] = []
        unused: list[Claim] = []
        size, some = 0, self._inbox.get()
        if time.monotonic() - self._wrote_at < GATHER_S:
            time.sleep(GATHER_S)  # more is coming: one statement for all of it
        with suppress(Empty):
            while some is not None:
                for each in some:
                    if isinstance(each, Outcome):
                        outcomes.append(each)
                        size += len(each.result or "")
                    else:
                        unused.append(each)
                if len(outcomes) + len(unused) >= MOST_AT_ONCE or size >= MOST_BYTES:
                    break
                some = self._inbox.get_nowait()
        return outcomes, unused, some is None

    def _surely(self, write: Callable[[Sequence[T]], list[Due]], values: Sequence[T]) -> list[Due]:
        """Write, however long Postgres is away; each write is conditional, so repeating it is harmless."""
        while True:
            try:
                again = write(values)
            except LedgerAway as away:
                time.sleep(self._backoff.failed(away))
            else:
                self._backoff.succeeded()
                return again

    def _finish(self, outcomes: Sequence[Outcome]) -> list[Due]:
        try:
            finished = claims.finish(self._engine, outcomes)
        except (StatementRefused, ValueError) as refused:  # a NUL, or half a character, is refused before it is sent
            return self._finish_singly(outcomes, refused)
        if finished.fenced:
            self._tally.count(Counter.FENCED, len(finished.fenced))
            log.warning("outcomes_fenced", task_ids=finished.fenced[:20], count=len(finished.fenced))
        return finished.again

    def _finish_singly(self, outcomes: Sequence[Outcome], refused: Exception) -> list[Due]:
        """Postgres refused a value: one bad result must not hold up its neighbours, nor leave its task running."""
        if len(outcomes) > 1:
            return [due for each in outcomes for due in self._finish([each])]
        log.warning(
            "result_refused",
            task_id=outcomes[0].id,
            trouble=type(refused.__cause__ or refused).__name__,
        )
        message = "Postgres cannot keep the result: is there a NUL in it?"
        ended = claims.failed_attempt(self._engine, outcomes[0].id, outcomes[0].token, "handler_error", message)
        return claims.finish(self._engine, [ended]).again

    def _release(self, unused: Sequence[Claim]) -> list[Due]:
        log.info("claims_handed_back", count=len(unused))
        released = claims.release(self._engine, [(each.id, each.token) for each in unused])
        self._tally.count(Counter.HANDED_BACK, len(released))
        return released

    def _announce(self, again: Sequence[Due]) -> None:
        """Tell Redis what waits again and how long tasks take; the sweeper makes good what is missed here."""
        try:
            self._schedule.add(again)
            if time.monotonic() - self._published_at > PUBLISH_EVERY_S and self.durations():
                self._published_at = time.monotonic()
                put_durations(self._schedule.redis, self.durations())
        except ScheduleAway as away:
            log.warning("schedule_away", doing="announce", tasks=len(again), trouble=type(away).__name__)
