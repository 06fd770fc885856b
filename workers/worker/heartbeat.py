"""The heartbeat of a worker, and the fence that kills its tasks before other workers may claim them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.clock import now
from app.errors import LedgerUnavailable
from app.ledger import workers
from app.logs import get_logger
from app.loop import repeat
from workers.pool.protocol import Failure

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.config import Settings
    from workers.pool.pool import Pool
    from workers.worker.ability import Ability
    from workers.worker.unresolved_claims import UnresolvedClaims

log = get_logger()

FENCE_MARGIN_S = 2.0
RETRY_S = 0.5
POLL_S = 0.25
SUPERVISED_WITHIN_S = 2.0
OUT_OF_TOUCH = Failure("worker_lost", "The worker lost its connection to Postgres and stopped its tasks.")


class Fence:
    """Kills all running tasks when no heartbeat has succeeded for `after_s` seconds.

    `may_claim` is set while the last success is recent enough and this worker can run tasks.
    """

    def __init__(self, pool: Pool, *, after_s: float, clock: Callable[[], float]) -> None:
        self.may_claim = threading.Event()
        self.after_s = after_s
        self._pool = pool
        self._clock = clock
        self._renewed_at = float("-inf")
        self._is_renewed = False
        self._checking = threading.Lock()

    def renew(self, asked_at: float, *, may_claim: bool = True) -> None:
        """Renew the run lease: a heartbeat sent at `asked_at` succeeded, so tasks may run for `after_s` from then.

        Without `may_claim`, running tasks continue, and nothing more is claimed.
        """
        self._renewed_at, self._is_renewed = asked_at, True
        self._pool.run_lease.renew(asked_at + self.after_s)
        if may_claim:
            self.may_claim.set()
        else:
            self.may_claim.clear()

    def step(self) -> bool:
        """Check once. Return False, because there is nothing more to do now."""
        self.check(self._clock())
        return False

    def check(self, at: float) -> None:
        """Fence if the last success is too old. After a freeze of the worker, the first thread to continue does it."""
        with self._checking:
            silent_s = at - self._renewed_at
            if self._is_renewed and silent_s > self.after_s:
                self._is_renewed = False
                self.may_claim.clear()
                log.error("worker_fenced", silent_s=round(silent_s, 1))
                self._pool.fence(OUT_OF_TOUCH)


class Heartbeat:
    """Renews this worker's row every few seconds, and receives the cancel requests for its tasks."""

    def __init__(
        self, engine: Engine, settings: Settings, *, worker_id: str, pool: Pool, unresolved: UnresolvedClaims,
        clock: Callable[[], float] = now, ability: Ability | None = None,
    ) -> None:  # fmt: skip
        self.fence = Fence(pool, after_s=settings.worker_dead_after_s - FENCE_MARGIN_S, clock=clock)
        self.may_claim = self.fence.may_claim
        self._engine = engine
        self._settings = settings
        self._worker_id = worker_id
        self._pool = pool
        self._unresolved = unresolved
        self._ability = ability
        self._clock = clock
        self._pause_s = 0.0
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=("heartbeat", self.step, self._wait), name="heartbeat"),
            threading.Thread(target=self._repeat, args=("fence", self.fence.step, self._wait_for_fence), name="fence"),
        ]

    def start(self) -> None:
        """Start the heartbeat, and the fence in a second thread, because a statement may exceed its time limit."""
        for each in self._threads:
            each.daemon = True
            each.start()

    def stop(self) -> None:
        """Stop, and remove the row, so that tasks which this worker still holds are rescued."""
        self._stopped.set()
        for each in self._threads:
            each.join(10)
        try:
            workers.retire(self._engine, self._worker_id)
        except LedgerUnavailable:
            log.warning("worker_not_retired")

    def step(self) -> bool:
        """Renew the row once. Return False: the next beat follows a pause, which is short after a failure.

        The row says why this worker cannot run tasks. It is not renewed while timeouts are not enforced.
        The run lease counts from before the statement, so a slow answer does not lengthen it.
        """
        self._pause_s = RETRY_S
        asked_at = self._clock()
        if not self._pool.is_supervised(SUPERVISED_WITHIN_S):
            return False  # timeouts are not enforced, so other workers must take over
        self.fence.check(asked_at)  # before the row is renewed
        try:
            requested = workers.heartbeat(
                self._engine, self._worker_id, queue=self._settings.queue, slots=self._settings.slots,
                trouble=self._ability.trouble() if self._ability else None,
            )  # fmt: skip
            answered_at = self._clock()
            if answered_at - asked_at > self.fence.after_s:
                return False
            self.fence.check(answered_at)  # the lease may have expired during a slow statement
            self.fence.renew(asked_at, may_claim=self._ability is None or self._ability.may_claim())
            for task_id in requested:
                self._pool.cancel(task_id)
            self._unresolved.resolve()
        except LedgerUnavailable:
            return False
        self._pause_s = self._settings.heartbeat_s
        return False

    def _wait(self) -> None:
        self._stopped.wait(self._pause_s)

    def _wait_for_fence(self) -> None:
        self._stopped.wait(POLL_S)

    def _repeat(self, name: str, step: Callable[[], bool], wait: Callable[[], None]) -> None:
        # Without a fence, tasks could run on although others have them. A failed heartbeat is followed by the fence.
        repeat(step, wait=wait, stop=self._stopped, name=name, survives_errors=name != "fence")
