"""The stores and processes of one interleaving."""

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

HEARTBEAT_S = 6.0  # less than the time after which a worker fences itself
WORKERS = 2


@dataclass(slots=True)
class Servers:
    """What all interleavings share."""

    engine: Engine
    redis: Redis
    harm: Redis  # with all permissions
    settings: Settings
    types: TaskTypes
    clock: Clock
    boundary: Boundary
    tried: Tried


class World:
    """Empty stores, two workers, a sweeper, and three promoters, two of which have a wrong clock."""

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
        self.due_set = DueSet(self.redis)
        self.operations = Operations(
            self.engine,
            self.due_set,
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
        """Start a promoter whose clock is wrong by this much."""
        kind = SkewedPromoter if skew_s else Promoter
        return kind(self.engine, self.redis, self.types, clock=lambda: self.clock.seconds() + skew_s)

    def new_sweeper(self) -> Sweeper:
        return Sweeper(self.engine, self.redis, self.types, self.settings, clock=self.clock.seconds)

    def new_worker(self) -> ModelWorker:
        """Start a worker, which sends its first heartbeat."""
        worker = ModelWorker(self, f"worker.{next(self._numbers)}")
        worker.beat()
        return worker

    def new_task(self, task_type: str, ahead_s: float, max_attempts: int) -> NewTask:
        """Return the request for a task, and record its instant."""
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
        """Let time pass, with a heartbeat of each worker that is not frozen every few seconds."""
        while seconds > 0:
            step_s = min(seconds, HEARTBEAT_S)
            seconds -= step_s
            self.clock.advance(step_s)
            for worker in self.workers:
                if not worker.frozen:
                    with self.boundary.acting(None, cut_off=worker.cut_off):
                        worker.beat()
