"""The checks after each step, and the check that every task ends once there are no more faults."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hypothesis.stateful import invariant

from tests.model.outside import Outside

if TYPE_CHECKING:
    from tests.model.worker import ModelWorker

SETTLED_WITHIN_S = 90.0
STEP_S = 6.0
MAX_LEASES = 1000
MAX_ROUNDS = 100


class Settling(Outside):
    """The promises, checked after each step and at the end."""

    @invariant()
    def promises_are_kept(self) -> None:
        self.world.history.check()

    def teardown(self) -> None:
        """Reconnect and continue all workers, then run all processes until all tasks are final, in bounded time."""
        if sys.exc_info()[0] is not None:
            return  # a check has failed already
        world = self.world
        world.clock.set_postgres(0.0)
        for worker in world.workers:
            worker.frozen = worker.cut_off = False
            worker.beat()
        last = max([world.clock.at, *world.history.instants.values()])
        while world.history.open():
            late_s = (world.clock.at - last).total_seconds()
            assert late_s < SETTLED_WITHIN_S, f"not final after {late_s:g} s: {world.history.open()}"
            self.run_all_processes()
            world.history.check()
            if world.history.open():
                world.pass_time(STEP_S)
        world.tried.ends.update(f"{row.state} {row.error or ''}".strip() for row in world.history.rows.values())

    def run_all_processes(self) -> None:
        """Run one round of all processes and outside workers, in order."""
        while self.world.sweeper.step():
            pass
        for worker in self.world.workers:
            self.run_all(worker)
            worker.flush()
        for _ in range(MAX_ROUNDS):
            self.world.promoters[0.0].step()
            had_delivery = [self.take_one(worker) for worker in self.world.workers]
            if not any(had_delivery):
                break
        self.lease(MAX_LEASES, None)
        while self.world.leases:
            self.hand_in(self.world.leases.pop(), well=True, fault=None)

    def take_one(self, worker: ModelWorker) -> bool:
        """Take a delivery and run all its tasks; return whether there was one."""
        taken = worker.take()
        self.run_all(worker)
        worker.flush()
        return taken
