"""What the rules share: a world, and actions during which a process may crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from app.task import Task
from tests.model.faults import KINDS, Fault
from tests.model.world import WORKERS, World

if TYPE_CHECKING:
    from tests.model.faults import ActOutcome
    from tests.model.worker import ModelWorker
    from tests.model.world import Servers

DELIVERED, OUTSIDE = ("noop", "whoami"), "outside"
FAILURE = {"error_type": "handler_error", "message": "ValueError: no"}
WHICH = st.integers(0, 7)


def faults(*steps: str) -> st.SearchStrategy[Fault | None]:
    """Return a strategy that draws None, or with equal probability a fault at one of these steps."""
    drawn: list[Fault | None] = [Fault(kind, at) for at in steps for kind in KINDS]
    return st.sampled_from([None] * len(drawn) + drawn)


class Acting(RuleBasedStateMachine):
    """One interleaving. The test sets `servers` before it runs."""

    servers: ClassVar[Servers]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.servers)
        self.servers.tried.interleavings += 1

    @property
    def ids(self) -> list[str]:
        """The ids of all requested tasks, acknowledged or not."""
        return list(self.world.history.instants)

    def some_id(self, which: int) -> UUID:
        """Return one of the ids."""
        return UUID(self.ids[which % len(self.ids)])

    def create_tasks(self, task_type: str, ahead_s: Sequence[float], attempts: int, fault: Fault | None) -> None:
        """Create tasks in one request; those in its answer count as acknowledged."""
        new = [self.world.new_task(task_type, each, attempts) for each in ahead_s]
        answers: Sequence[object] = ()
        with self.acting("create", fault):
            answers = self.world.operations.create(new)
        self.world.history.kept |= {str(each.id) for each in answers if isinstance(each, Task)}

    @contextmanager
    def acting(self, act: str, fault: Fault | None) -> Iterator[ActOutcome]:
        """Count an action, and run it with a fault or None."""
        self.world.tried.acts[act] += 1
        with self.world.boundary.acting(fault) as outcome:
            yield outcome

    def worker_acts(self, act: str, which: int, fault: Fault | None, do: Callable[[ModelWorker], object]) -> None:
        """Run an action of a worker that is not frozen; replace the worker if it crashes."""
        worker = self.worker(which)
        if worker.frozen:
            return
        self.world.tried.acts[act] += 1
        with self.world.boundary.acting(fault, cut_off=worker.cut_off) as outcome:
            do(worker)
        if outcome.crashed:
            self.replace(worker)

    def worker(self, which: int) -> ModelWorker:
        """Return one of the workers."""
        return self.world.workers[which % WORKERS]

    def replace(self, dead: ModelWorker) -> None:
        """Forget a worker, with all that it had in memory, and start another one."""
        self.world.workers[self.world.workers.index(dead)] = self.world.new_worker()

    def begin_one(self, worker: ModelWorker, which: int) -> bool:
        """Start a task that waits in the pool, if the run lease allows that; children of a frozen worker run, too."""
        claim = worker.pool.begin(which) if worker.pool.waiting else None
        if claim is None:
            return False
        self.world.tried.acts["begin"] += 1
        self.world.history.begins(claim.id, claim.attempt, claim.token)
        return True

    def run_all(self, worker: ModelWorker) -> None:
        """Start and end successfully all tasks that wait in the pool, as far as the run lease allows."""
        while self.begin_one(worker, 0):
            worker.pool.end(0, None)
