"""A worker process without threads and children: the real parts, and a pool that the model controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from app.broker.due_set import DueSet
from app.broker.rq.jobs import DeliveryJob, queue
from app.counter_buffer import CounterBuffer
from app.errors import LedgerUnavailable
from app.outcome import failed, succeeded
from workers.pool.pool import FreeSlots
from workers.pool.protocol import RunLease
from workers.pool.shared_memory import SharedMemory
from workers.worker.claimer import Claimer
from workers.worker.finisher import Finisher
from workers.worker.heartbeat import Heartbeat
from workers.worker.inbox import Inbox
from workers.worker.unresolved_claims import UnresolvedClaims

if TYPE_CHECKING:
    from app.task import Claim
    from tests.model.world import World
    from workers.pool.protocol import Failure

SLOTS = 4
TIMEOUT = {"error_type": "timeout", "message": "It ran longer than its time."}


class ModelPool:
    """A pool whose tasks start and end when the model says, if the run lease covers them. Also its own durations."""

    def __init__(self, listener: Finisher, clock: Callable[[], float]) -> None:
        self.free_slots = FreeSlots(SLOTS)
        self.durations = self
        self.run_lease = RunLease.begin(SharedMemory(1))
        self.waiting: list[Claim] = []
        self.begun: list[tuple[float, Claim]] = []
        self._listener = listener
        self._clock = clock

    def is_slow(self, _task_type: str) -> bool:
        """No type is slow."""
        return False

    def slots_of_slow_types(self) -> int:
        return 0

    def capacity(self, _task_type: str, _free: int) -> int:
        """Return one task for each free slot."""
        return max(0, SLOTS - len(self.waiting) - len(self.begun))

    def run(self, claims: Sequence[Claim]) -> None:
        """Keep claims until the model starts them."""
        self.waiting += claims

    def begin(self, which: int) -> Claim | None:
        """Start one of the waiting tasks; return None if the run lease does not cover it."""
        at = which % len(self.waiting)
        if not self.run_lease.covers(self.waiting[at]):
            return None
        claim = self.waiting.pop(at)
        self.begun.append((self._clock(), claim))
        return claim

    def end(self, which: int, error: dict[str, str] | None) -> None:
        """End one of the running tasks, with this error or successfully."""
        _, claim = self.begun.pop(which % len(self.begun))
        ended = failed(claim, **error) if error else succeeded(claim.id, claim.token, str(claim.attempt))
        self._listener.add([ended])

    def watch(self) -> None:
        """End tasks that exceed their timeout; hand back those that have not started for as long."""
        while self.begun and self._clock() - self.begun[0][0] > self.begun[0][1].timeout_s:
            self.end(0, TIMEOUT)
        if self.waiting and self._clock() - self.waiting[0].asked_at > self.waiting[0].timeout_s:
            self.withdraw()

    @property
    def is_over(self) -> bool:
        """Whether the run lease has expired, so that the children have killed themselves."""
        return self.run_lease.is_expired

    def withdraw(self) -> None:
        """Hand back all tasks that have not started."""
        unused, self.waiting = self.waiting, []
        self._listener.add(unused)

    def is_supervised(self, _within_s: float) -> bool:
        return True

    def fence(self, failure: Failure) -> None:
        """Revoke the run lease: waiting tasks are handed back and running ones end, as in the real pool."""
        self.run_lease.revoke()
        self.withdraw()
        while self.begun:
            self.end(0, {"error_type": failure.type, "message": failure.message})


class ModelClock:
    """Postgres' clock, measured without an error."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now

    def refresh(self) -> None:
        """Do nothing: every reading is a measurement."""


class ModelWorker:
    """One process. Dropping the object is a crash: its heartbeats in the ledger stop."""

    def __init__(self, world: World, name: str) -> None:
        self.frozen = False
        self.cut_off = False
        engine, due_set, clock = world.engine, DueSet(world.redis), world.clock.seconds
        counters = CounterBuffer(engine)
        self._queue = queue("default", world.redis)
        self.finisher = Finisher(engine, due_set, counters, {})
        self.pool = ModelPool(self.finisher, clock)
        unresolved = UnresolvedClaims(
            engine, self.finisher, resolve_after_s=2 * world.settings.database_timeout_s, clock=clock
        )
        self._heart = Heartbeat(
            engine, world.settings, worker_id=name, pool=self.pool, unresolved=unresolved, clock=clock,  # type: ignore[arg-type]
        )  # fmt: skip
        postgres = ModelClock(world.clock.postgres_seconds)
        self._inbox = Inbox(self.pool, clock=postgres)  # type: ignore[arg-type]
        self._claimer = Claimer(
            engine, due_set, self._inbox, self.pool, world.types, worker_id=name,  # type: ignore[arg-type]
            unresolved=unresolved, may_claim=self._heart.may_claim, counters=counters, clock=postgres, own_clock=clock,  # type: ignore[arg-type]
        )  # fmt: skip

    def beat(self) -> None:
        """Run a step of the heartbeat, the fence and the pool."""
        self._heart.step()
        self._heart.fence.step()
        self.pool.watch()

    def take(self) -> bool:
        """Process one delivery as RQ's worker does; return False if there is none."""
        dequeued: Any = self._queue.dequeue_any(
            [self._queue],
            None,
            self._queue.connection,
            job_class=DeliveryJob,
            serializer=self._queue.serializer,
        )
        if dequeued:
            self._inbox.put(*dequeued[0].args)
        while self._claimer.step(0.0):
            continue
        return bool(dequeued)

    def flush(self) -> None:
        """Write all outcomes; repeat steps that fail, unless the worker is cut off from Postgres."""
        while not self.cut_off and self.finisher.waiting():
            with suppress(LedgerUnavailable):
                self.finisher.step()
