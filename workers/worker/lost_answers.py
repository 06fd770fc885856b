"""Claims whose answer was lost on the way: neither run nor repeated, but found by their token and handed back."""

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

    from app.task import Claim

log = structlog.get_logger()

RETRY_S = 0.5


class LostAnswers:
    """Asks again once the statement must have been committed or never will be: `settle_s` later."""

    def __init__(
        self, engine: Engine, *, settle_s: float, unused: Callable[[Sequence[Claim]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._settle_s = settle_s
        self._unused = unused
        self._clock = clock
        self._open: deque[tuple[float, Sequence[str], str]] = deque()
        self._settling = threading.Lock()

    def add(self, ids: Sequence[str], token: str) -> None:
        """It is unknown which of these were won with this token."""
        self._open.append((self._clock() + self._settle_s, ids, token))

    def settle(self) -> None:
        """Hand back what the oldest of them won.

        Raises:
            LedgerAway: still unknown.
        """
        with self._settling:
            while self._open and self._clock() >= self._open[0][0]:
                _, ids, token = self._open[0]
                won = claims.claimed_by(self._engine, ids, token)
                log.info("lost_answer_settled", won=len(won))
                self._unused(won)
                self._open.popleft()

    def settle_all(self, timeout_s: float) -> bool:
        """Hand back what all of them won, each as soon as it is known; whether the time was enough.

        A worker that stops before leaves tasks that seem to run, and end `worker_lost` though their code never began.
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
