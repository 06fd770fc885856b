"""A worker process without its threads and children: the real parts, and slots that do what the model says."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from app.broker.due_set import DueSet
from app.broker.rq.deliveries import queue
from app.broker.rq.jobs import DeliveryJob
from app.counter_buffer import CounterBuffer
from app.errors import LedgerAway
from app.outcome import failed, succeeded
from workers.pool.capacity import FreeSlots
from workers.pool.shared import RunLease
from workers.worker.claimer import Claimer
from workers.worker.finisher import Finisher
from workers.worker.heartbeat import Heartbeat
from workers.worker.inbox import Inbox
from workers.worker.unresolved_claims import UnresolvedClaims

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.task import Claim
    from tests.model.world import World
    from workers.pool.protocol import Failure

SLOTS = 4
TIMEOUT = {"error_type": "timeout", "message": "It ran longer than its time."}


class ModelPool:
    """Holds claims; they begin and end when the model says, if the run lease covers them. It is its own durations."""

    def __init__(self, listener: Finisher, clock: Callable[[], float]) -> None:
        self.free_slots = FreeSlots(SLOTS)
        self.durations = self
        self.run_lease = RunLease()
        self.waiting: list[Claim] = []
        self.begun: list[tuple[float, Claim]] = []
        self._listener = listener
        self._clock = clock

    def is_slow(self, _task_type: str) -> bool:
        """None."""
        return False

    def slots_of_slow_types(self) -> int:
        """None either."""
        return 0

    def capacity(self, _task_type: str, _free: int) -> int:
        """One task for each that is free."""
        return max(0, SLOTS - len(self.waiting) - len(self.begun))

    def run(self, claims: Sequence[Claim]) -> None:
        """Keep them until the model begins them."""
        self.waiting += claims

    def begin(self, which: int) -> Claim | None:
        """A child looks at one of those that wait; None when it may not begin."""
        at = which % len(self.waiting)
        if not self.run_lease.covers(self.waiting[at]):
            return None
        claim = self.waiting.pop(at)
        self.begun.append((self._clock(), claim))
        return claim

    def end(self, which: int, error: dict[str, str] | None) -> None:
        """One of those that run ends, well or not."""
        _, claim = self.begun.pop(which % len(self.begun))
        ended = failed(claim, **error) if error else succeeded(claim.id, claim.token, str(claim.attempt))
        self._listener.ended([ended])

    def watch(self) -> None:
        """Kill what is over its time; what did not begin for as long goes back."""
        while self.begun and self._clock() - self.begun[0][0] > self.begun[0][1].timeout_s:
            self.end(0, TIMEOUT)
        if self.waiting and self._clock() - self.waiting[0].asked_at > self.waiting[0].timeout_s:
            self.withdraw()

    @property
    def is_over(self) -> bool:
        """Whether the children have killed themselves."""
        return self.run_lease.is_expired

    def withdraw(self) -> None:
        """Hand back all that has not begun."""
        unused, self.waiting = self.waiting, []
        self._listener.unused(unused)

    def is_supervised(self, _within_s: float) -> bool:
        """Always."""
        return True

    def fence(self, failure: Failure) -> None:
        """As the real one: nothing claimed so far begins any more, and what runs ends."""
        self.run_lease.revoke()
        self.withdraw()
        while self.begun:
            self.end(0, {"error_type": failure.type, "message": failure.message})


class ModelClock:
    """Postgres' clock, which is the clock of the worker, too."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now

    def refresh(self) -> None:
        """It needs no measuring."""


class ModelWorker:
    """One process. Forgetting the object is its death; its row in the ledger goes silent."""

    def __init__(self, world: World, name: str) -> None:
        self.frozen = False
        self.cut_off = False
        engine, schedule, clock = world.engine, DueSet(world.redis), world.clock.seconds
        counters = CounterBuffer(engine)
        self._queue = queue("default", world.redis)
        self.finisher = Finisher(engine, schedule, counters, {})
        self.pool = ModelPool(self.finisher, clock)
        unresolved = UnresolvedClaims(
            engine, self.finisher, settle_s=2 * world.settings.database_timeout_s, clock=clock
        )
        self._heart = Heartbeat(
            engine, world.settings, worker_id=name, pool=self.pool, unresolved=unresolved, clock=clock,  # type: ignore[arg-type]
        )  # fmt: skip
        postgres = ModelClock(clock)
        self._inbox = Inbox(self.pool, clock=postgres)  # type: ignore[arg-type]
        self._claimer = Claimer(
            engine, schedule, self._inbox, self.pool, world.types, worker_id=name,  # type: ignore[arg-type]
            unresolved=unresolved, may_claim=self._heart.may_claim, counters=counters, clock=postgres, own_clock=clock,  # type: ignore[arg-type]
        )  # fmt: skip

    def beat(self) -> None:
        """One round of the heartbeat, and of both watches."""
        self._heart.step()
        self._heart.fence.step()
        self.pool.watch()

    def take(self) -> bool:
        """What RQ's worker does with one envelope; False when there is none."""
        taken: Any = self._queue.dequeue_any(
            [self._queue],
            None,
            self._queue.connection,
            job_class=DeliveryJob,
            serializer=self._queue.serializer,
        )
        if taken:
            self._inbox.put(*taken[0].args)
        while self._claimer.step(0.0):
            continue
        return bool(taken)

    def flush(self) -> None:
        """Have the finisher write all that it holds; it repeats a step that failed, unless Postgres is cut off."""
        while not self.cut_off and self.finisher.waiting():
            with suppress(LedgerAway):
                self.finisher.step()
