"""The stores, the processes and the clients of one interleaving."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.broker.due_set import DueSet
from app.operations import Operations
from app.task import NewTask
from tests.acceptance.skewed_promoter import SkewedPromoter
from tests.model.history import History
from tests.model.worker import ModelWorker
from workers.promoter import Promoter
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.task import Lease
    from app.task_types import TaskTypes
    from tests.model.clock import Clock
    from tests.model.faults import Boundary
    from tests.model.tried import Tried

BEAT_EVERY_S = 6.0  # less than after which a worker fences itself
WORKERS = 2


@dataclass(slots=True)
class Servers:
    """What is there once for all interleavings."""

    engine: Engine
    redis: Redis
    harm: Redis  # may do anything there
    settings: Settings
    types: TaskTypes
    clock: Clock
    boundary: Boundary
    tried: Tried


class World:
    """Begins empty, with two workers, a promoter whose clock is right and two whose clocks are not, and a sweeper."""

    def __init__(self, servers: Servers) -> None:
        self.engine, self.redis, self.harm = servers.engine, servers.redis, servers.harm
        self.settings, self.types = servers.settings, servers.types
        self.boundary, self.tried = servers.boundary, servers.tried
        with self.engine.connect() as connection:
            connection.execute(text("TRUNCATE tasks, workers"))
        self.harm.flushall()
        self.clock = servers.clock
        self.clock.reset()
        self.history = History(self.engine, self.clock)
        self.schedule = DueSet(self.redis)
        self.operations = Operations(
            self.engine,
            self.schedule,
            self.types,
            window_s=self.settings.schedule_window_s,
            clock=self.clock.seconds,
        )
        self.leases: list[Lease] = []
        self._numbers = count(1)
        self.promoters = {skew_s: self.new_promoter(skew_s) for skew_s in (0.0, -5.0, 5.0)}
        self.sweeper = self.new_sweeper()
        self.workers = [self.new_worker() for _ in range(WORKERS)]

    def new_promoter(self, skew_s: float) -> Promoter:
        """One whose clock is wrong by so much, and that never notices if it is."""
        kind = SkewedPromoter if skew_s else Promoter
        return kind(self.engine, self.redis, self.types, clock=lambda: self.clock.seconds() + skew_s)

    def new_sweeper(self) -> Sweeper:
        """One that knows nothing yet."""
        return Sweeper(self.engine, self.redis, self.types, self.settings, clock=self.clock.seconds)

    def new_worker(self) -> ModelWorker:
        """One that has just started."""
        worker = ModelWorker(self, f"worker.{next(self._numbers)}")
        worker.beat()
        return worker

    def new_task(self, task_type: str, ahead_s: float, max_attempts: int) -> NewTask:
        """What a client asks for."""
        new = NewTask(
            id=str(UUID(int=next(self._numbers))),
            type=task_type,
            execute_at=self.clock.ahead(ahead_s),
            delay_s=None,
            payload=msgspec.Raw(b"{}"),
            timeout_s=5.0,
            max_attempts=max_attempts,
        )
        self.history.instants[str(new.id)] = self.clock.ahead(ahead_s)
        return new

    def pass_time(self, seconds: float) -> None:
        """Let time pass; whoever lives says so every few seconds, and whoever was cut off sees it."""
        while seconds > 0:
            some = min(seconds, BEAT_EVERY_S)
            seconds -= some
            self.clock.advance(some)
            for worker in self.workers:
                if not worker.frozen:
                    with self.boundary.acting(None, cut_off=worker.cut_off):
                        worker.beat()
