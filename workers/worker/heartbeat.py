"""Says every few seconds that this worker lives; when it cannot, it stops its tasks before others may take them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from app.errors import LedgerAway
from app.ledger import workers
from workers.slots.permit import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from app.config import Settings

log = structlog.get_logger()

FENCE_MARGIN_S = 2.0
RETRY_S = 0.5
LOOK_EVERY_S = 0.25


class Heartbeat:
    """One row per process. `may_claim` is set while the row is young enough."""

    def __init__(
        self, engine: Engine, settings: Settings, *, worker_id: str, fence: Callable[[], None],
        renew_permit: Callable[[float], None],
        after_beat: Callable[[], None],
        clock: Callable[[], float] = now,
        is_watched: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        self.may_claim = threading.Event()
        self._engine = engine
        self._settings = settings
        self._worker_id = worker_id
        self._fence = fence
        self._renew_permit = renew_permit
        self._after_beat = after_beat
        self._clock = clock
        self._is_watched = is_watched
        self._fence_after_s = settings.worker_dead_after_s - FENCE_MARGIN_S
        self._renewed_at = float("-inf")
        self._fencing = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._beat_forever, name="heartbeat", daemon=True),
            threading.Thread(target=self._watch_forever, name="fence", daemon=True),
        ]

    def start(self) -> None:
        """Begin to beat, and to watch that the beats get through: a statement may hang for longer than the limit."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Beat no more, and take the row off the list; what this worker still holds is then rescued."""
        self._stopped.set()
        for each in self._threads:
            each.join(10)
        try:
            workers.retire(self._engine, self._worker_id)
        except LedgerAway:
            log.warning("worker_not_retired")

    def _beat_forever(self) -> None:
        while not self._stopped.is_set():
            beat = self._beat()
            self._stopped.wait(self._settings.heartbeat_s if beat else RETRY_S)

    def _beat(self) -> bool:
        """Renew. The time counts from before the statement, so a slow answer never lengthens it."""
        asked_at = self._clock()
        if not self._is_watched():
            return False  # timeouts are not kept here: others must take over
        self._fence_if_silent(asked_at)  # before the row says again that all is well
        try:
            workers.heartbeat(self._engine, self._worker_id, queue=self._settings.queue, slots=self._settings.slots)
            answered_at = self._clock()
            if answered_at - asked_at > self._fence_after_s:
                return False  # the answer itself was too long on its way
            self._fence_if_silent(answered_at)  # or the statement was, on top of an earlier silence
            self._renewed_at = asked_at
            self._renew_permit(asked_at + self._fence_after_s)
            self.may_claim.set()
            self._after_beat()
        except LedgerAway:
            return False
        return True

    def _watch_forever(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self._fence_if_silent(self._clock())

    def _fence_if_silent(self, at: float) -> None:
        """A worker that was frozen learns of it here, in whichever thread wakes first."""
        with self._fencing:
            silent_s = at - self._renewed_at
            if self.may_claim.is_set() and silent_s > self._fence_after_s:
                self.may_claim.clear()
                log.error("worker_fenced", silent_s=round(silent_s, 1))
                self._fence()
