"""The finisher: writes outcomes to Postgres in batches, one conditional update each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from app.batching import Batcher
from app.broker.contents import put_durations
from app.broker.due_set import DueSet
from app.errors import StatementRejected, TaskNotFound
from app.ledger import claims
from app.ledger.counters import Counter
from app.logs import get_logger
from app.loop import Outage, describe
from app.outcome import Outcome
from app.task import Claim, Due

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.counter_buffer import CounterBuffer

log = get_logger()

MAX_STATEMENT_BYTES = 8 << 20  # of one statement, so that a slow server stays within the statement timeout
PUBLISH_INTERVAL_S = 0.25
GATHER_S = 0.003


class Finisher(Batcher[Outcome | Claim]):
    """Writes outcomes, hands back claims whose code has not begun, and retries until Postgres has accepted them.

    Every statement is conditional, so repeating it is harmless. After an unknown error it tries again; if every try
    fails, the watchdog ends the process, and the sweeper rescues the tasks of this worker.
    """

    name = "finisher"
    max_items = 1000

    def __init__(
        self, engine: Engine, due_set: DueSet, counters: CounterBuffer, durations_ms: Mapping[str, float]
    ) -> None:
        super().__init__()
        self._engine = engine
        self._due_set = due_set
        self._counters = counters
        self._durations_ms = durations_ms
        self._published_at = float("-inf")
        self._outage = Outage()

    def gather_s(self) -> float:
        """Wait briefly after a recent flush, so that one statement writes more outcomes."""
        return GATHER_S if time.monotonic() - self._flushed_at < GATHER_S else 0.0

    def flush(self, items: list[Outcome | Claim]) -> int:
        """Write the outcomes at the head of `items`, or hand back the claims at its head; return how many."""
        if outcomes := _first_outcomes(items):
            self._add_due(self._finish(outcomes))
            return len(outcomes)
        handed_back = _first_claims(items)
        self._add_due(self._hand_back(handed_back))
        return len(handed_back)

    def _finish(self, outcomes: Sequence[Outcome]) -> list[Due]:
        try:
            finished = claims.finish(self._engine, outcomes)
        except (StatementRejected, ValueError) as refused:  # a NUL or a lone surrogate is refused before it is sent
            return self._finish_singly(outcomes, refused)
        if finished.fenced:
            self._counters.count(Counter.FENCED, len(finished.fenced))
            log.warning("outcomes_fenced", task_ids=finished.fenced[:20], count=len(finished.fenced))
        return finished.again

    def _finish_singly(self, outcomes: Sequence[Outcome], refused: Exception) -> list[Due]:
        """Write the outcomes one by one, so that a value that Postgres refuses fails its own task and no other."""
        if len(outcomes) > 1:
            return [due for each in outcomes for due in self._finish([each])]
        log.warning(
            "result_refused",
            task_id=outcomes[0].id,
            trouble=type(refused.__cause__ or refused).__name__,
        )
        message = "Postgres cannot store the result."
        try:
            ended = claims.failed_attempt(self._engine, outcomes[0].id, outcomes[0].token, "bad_result", message)
        except TaskNotFound:  # the task was rescued, has failed and was purged
            return []
        return claims.finish(self._engine, [ended]).again

    def _hand_back(self, handed_back: Sequence[Claim]) -> list[Due]:
        log.info("claims_handed_back", count=len(handed_back))
        due = claims.hand_back(self._engine, [(each.id, each.token) for each in handed_back])
        self._counters.count(Counter.HANDED_BACK, len(due))
        return due

    def _add_due(self, again: Sequence[Due]) -> None:
        """Add tasks that are due again to the due set; publish durations. The sweeper restores what Redis misses."""
        try:
            if again:
                self._due_set.add(again)
            if time.monotonic() - self._published_at > PUBLISH_INTERVAL_S and self._durations_ms:
                self._published_at = time.monotonic()
                put_durations(self._due_set.redis, dict(self._durations_ms))
                if self._outage.end():
                    log.info("redis_available", doing="announce")
        except RedisError as trouble:
            if self._outage.is_new(trouble):
                log.warning("redis_unavailable", doing="announce", tasks=len(again), trouble=describe(trouble))


def _first_outcomes(items: Sequence[Outcome | Claim]) -> list[Outcome]:
    """Return the outcomes before the first claim, as many as one statement may write."""
    outcomes: list[Outcome] = []
    size = 0
    for each in items:
        if isinstance(each, Claim) or size >= MAX_STATEMENT_BYTES:
            break
        outcomes.append(each)
        size += len(each.result or "")
    return outcomes


def _first_claims(items: Sequence[Outcome | Claim]) -> list[Claim]:
    handed_back: list[Claim] = []
    for each in items:
        if isinstance(each, Outcome):
            break
        handed_back.append(each)
    return handed_back
