"""Breaks one thing after another, in an order that the seed decides."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.service import Service

FREEZE_S = 1.5


class Nemesis(threading.Thread):
    """One fault every `every_s` seconds until stopped; what is killed is started again."""

    def __init__(self, service: Service, *, seed: int, every_s: float) -> None:
        super().__init__(name="nemesis", daemon=True)
        self.faults: Counter[str] = Counter()
        self.trouble: Exception | None = None
        self._service = service
        self._random = random.Random(seed)
        self._every_s = every_s
        self._stop_it = threading.Event()

    def run(self) -> None:
        """Until stopped, or one of its own acts fails."""
        acts: list[Callable[[], str]] = [self._kill, self._kill, self._freeze, self._flush, self._restart_redis]
        while not self._stop_it.wait(self._every_s * self._random.uniform(0.5, 1.5)):
            try:
                self.faults[self._random.choice(acts)()] += 1
            except Exception as trouble:  # noqa: BLE001  # told by whoever reads the report
                self.trouble = trouble
                return

    def stop(self) -> None:
        """The last fault is over when this returns."""
        self._stop_it.set()
        self.join(60)

    def _kill(self) -> str:
        kind = self._random.choice(["worker", "worker", "promoter", "sweeper", "scheduler"])
        self._random.choice(self._service.living(kind)).kill()
        self._service.start(**{kind: 1})
        return f"SIGKILL {kind}"

    def _freeze(self) -> str:
        kind = self._random.choice(["worker", "promoter", "sweeper"])
        frozen = self._random.choice(self._service.living(kind))
        frozen.send(signal.SIGSTOP)
        self._stop_it.wait(FREEZE_S)
        frozen.send(signal.SIGCONT)
        return f"SIGSTOP {kind}"

    def _flush(self) -> str:
        with self._service.redis() as redis:
            redis.flushall()
        return "FLUSHALL"

    def _restart_redis(self) -> str:
        self._service.valkey.restart()
        return "Redis restarted empty"
