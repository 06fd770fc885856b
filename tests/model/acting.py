"""What the rules share: a world of their own, and acts in which somebody may die."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from app.task import Task
from tests.model.faults import KINDS, Fault
from tests.model.world import WORKERS, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.model.faults import Ending
    from tests.model.worker import ModelWorker
    from tests.model.world import Servers

DELIVERED, OUTSIDE = ("noop", "whoami"), "outside"
FAILURE = {"error_type": "handler_error", "message": "ValueError: no"}
WHICH = st.integers(0, 7)


def faults(*steps: str) -> st.SearchStrategy[Fault | None]:
    """Every second time a fault at one of these steps, if the act comes that far."""
    every: list[Fault | None] = [Fault(kind, at) for at in steps for kind in KINDS]
    return st.sampled_from([None] * len(every) + every)


class Acting(RuleBasedStateMachine):
    """One interleaving. `servers` is set by whoever runs it."""

    servers: ClassVar[Servers]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.servers)
        self.servers.tried.interleavings += 1

    @property
    def ids(self) -> list[str]:
        """All that were ever asked for, kept or not."""
        return list(self.world.history.instants)

    def some_id(self, which: int) -> UUID:
        """One of them."""
        return UUID(self.ids[which % len(self.ids)])

    def ask_for(self, of: str, ahead_s: Sequence[float], attempts: int, fault: Fault | None) -> None:
        """A client asks for tasks in one request; what it is answered is promised."""
        new = [self.world.new_task(of, each, attempts) for each in ahead_s]
        answers: Sequence[object] = ()
        with self.acting("create", fault):
            answers = self.world.operations.create(new)
        self.world.history.kept |= {str(each.id) for each in answers if isinstance(each, Task)}

    @contextmanager
    def acting(self, act: str, fault: Fault | None) -> Iterator[Ending]:
        """Somebody acts, and perhaps dies; counted."""
        self.world.tried.acts[act] += 1
        with self.world.boundary.acting(fault) as ending:
            yield ending

    def worker_acts(self, act: str, which: int, fault: Fault | None, do: Callable[[ModelWorker], object]) -> None:
        """A worker acts, unless it is frozen; if it dies, another is started, and its row goes silent."""
        worker = self.worker(which)
        if worker.frozen:
            return
        self.world.tried.acts[act] += 1
        with self.world.boundary.acting(fault, cut_off=worker.cut_off) as ending:
            do(worker)
        if ending.died:
            self.replace(worker)

    def worker(self, which: int) -> ModelWorker:
        """One of them."""
        return self.world.workers[which % WORKERS]

    def replace(self, dead: ModelWorker) -> None:
        """Forget all that it had in memory, and start another."""
        self.world.workers[self.world.workers.index(dead)] = self.world.new_worker()

    def begin_one(self, worker: ModelWorker, which: int) -> bool:
        """A child begins one of the tasks that wait in the slots, if it may; frozen workers have children, too."""
        claim = worker.pool.begin(which) if worker.pool.waiting else None
        if claim is None:
            return False
        self.world.tried.acts["begin"] += 1
        self.world.history.begins(claim.id, claim.attempt, claim.token)
        return True

    def run_all(self, worker: ModelWorker) -> None:
        """What waits in its slots begins, if it may, and ends well."""
        while self.begin_one(worker, 0):
            worker.pool.end(0, None)
