"""Counts in memory, and adds up in Postgres from a thread of its own: whoever counts waits for nothing."""

from __future__ import annotations

import atexit
import threading
from collections import Counter as Bag
from typing import TYPE_CHECKING

import structlog

from app.errors import LedgerAway, StatementRefused
from app.ledger import counters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

    from app.ledger.counters import Counter

log = structlog.get_logger()

ADD_EVERY_S = 1.0
LAST_WORDS_S = 1.0


class Tally:
    """What this process counted and Postgres does not know yet.

    While Postgres is away, counts are kept. A crash loses those of the last second; an answer that is lost on the way
    may count them twice. The thread starts with the first count, so after any fork.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._counted: Bag[Counter] = Bag()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._adder: threading.Thread | None = None

    def count(self, name: Counter, number: int = 1) -> None:
        """So many more."""
        if number < 1:
            return
        with self._lock:
            self._counted[name] += number
            if self._adder is None:
                self._begin()

    def kept(self) -> Mapping[Counter, int]:
        """What Postgres has not been told."""
        with self._lock:
            return self._counted.copy()

    def close(self) -> None:
        """Add what is left, if Postgres answers soon."""
        self._closing.set()
        if self._adder is not None:
            self._adder.join(LAST_WORDS_S)

    def add(self) -> None:
        """Add to the totals what was counted; keep it while Postgres is away."""
        with self._lock:
            counted, self._counted = self._counted, Bag()
        if not counted:
            return
        try:
            counters.add(self._engine, counted)
        except LedgerAway:
            with self._lock:
                self._counted += counted
        except StatementRefused:
            log.exception("counts_lost", counted=dict(counted))

    def _begin(self) -> None:
        self._adder = threading.Thread(target=self._add_forever, name="tally", daemon=True)
        self._adder.start()
        atexit.register(self.close)

    def _add_forever(self) -> None:
        while not self._closing.wait(ADD_EVERY_S):
            self.add()
        self.add()
