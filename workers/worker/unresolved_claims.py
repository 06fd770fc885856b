"""Claims whose answer was lost: neither run nor repeated, but found by their token and handed back."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import structlog

from app.errors import LedgerAway
from app.ledger import claims

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from workers.pool.claims import Results

log = structlog.get_logger()

RETRY_S = 0.5


class UnresolvedClaims:
    """Asks what each claim won once its statement has been committed or never will be: `settle_s` seconds later."""

    def __init__(
        self, engine: Engine, results: Results, *, settle_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._results = results
        self._settle_s = settle_s
        self._clock = clock
        self._open: deque[tuple[float, Sequence[str], str]] = deque()
        self._settling = threading.Lock()

    def add(self, ids: Sequence[str], token: str) -> None:
        """Remember that some of these may have been claimed with this token."""
        self._open.append((self._clock() + self._settle_s, ids, token))

    def settle(self) -> None:
        """Hand back what the claims won that are old enough.

        Raises:
            LedgerAway: it is still unknown.
        """
        with self._settling:
            while self._open and self._clock() >= self._open[0][0]:
                _, ids, token = self._open[0]
                won = claims.claimed_by(self._engine, ids, token)
                log.info("unresolved_claim_settled", won=len(won))
                self._results.unused(won)
                self._open.popleft()

    def settle_all(self, timeout_s: float) -> bool:
        """Hand back what all claims won, each as soon as it is known. Return whether the time was enough.

        A worker that stops earlier leaves tasks that seem to run, and that end `worker_lost` though their code never
        began.
        """
        until = time.monotonic() + timeout_s
        while self._open and time.monotonic() < until:
            pause_s = max(RETRY_S, self._open[0][0] - self._clock())
            time.sleep(min(pause_s, max(0.0, until - time.monotonic())))
            try:
                self.settle()
            except LedgerAway:
                continue
        return not self._open
