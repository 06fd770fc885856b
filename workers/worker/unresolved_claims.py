"""Claims whose answer was lost. What they won is not run, but found by their token and handed back."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.errors import LedgerUnavailable
from app.ledger import claims
from app.logs import get_logger

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from workers.pool.claims import Results

log = get_logger()

RETRY_S = 0.5


class UnresolvedClaims:
    """Finds out which tasks each claim took, after `resolve_after_s`: by then its statement has ended either way."""

    def __init__(
        self, engine: Engine, results: Results, *, resolve_after_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._results = results
        self._resolve_after_s = resolve_after_s
        self._clock = clock
        self._open: deque[tuple[float, Sequence[str], str]] = deque()
        self._settling = threading.Lock()

    def add(self, ids: Sequence[str], token: str) -> None:
        """Record that some of these tasks may have been claimed with this token."""
        self._open.append((self._clock() + self._resolve_after_s, ids, token))

    def resolve(self) -> None:
        """Hand back the tasks of all claims that are old enough.

        Raises:
            LedgerUnavailable: their tasks are still unknown.
        """
        with self._settling:
            while self._open and self._clock() >= self._open[0][0]:
                _, ids, token = self._open[0]
                claimed = claims.claimed_by(self._engine, ids, token)
                log.info("unresolved_claim_resolved", won=len(claimed))
                self._results.add(claimed)
                self._open.popleft()

    def resolve_all(self, timeout_s: float) -> bool:
        """Hand back the tasks of all claims, each as soon as they are known. Return whether the time sufficed.

        A worker that stops earlier leaves tasks in state `running`, which end `worker_lost` although their code never
        began.
        """
        until = time.monotonic() + timeout_s
        while self._open and time.monotonic() < until:
            pause_s = max(RETRY_S, self._open[0][0] - self._clock())
            time.sleep(min(pause_s, max(0.0, until - time.monotonic())))
            try:
                self.resolve()
            except LedgerUnavailable:
                continue
        return not self._open
