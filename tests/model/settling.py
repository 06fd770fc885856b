"""What must hold after each step, and that every task ends once nothing breaks any more."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hypothesis.stateful import invariant

from tests.model.outside import Outside

if TYPE_CHECKING:
    from tests.model.worker import ModelWorker

WITHIN_S = 90.0
LOOK_EVERY_S = 6.0
ALL = 1000
ROUNDS = 100


class Settling(Outside):
    """The promises."""

    @invariant()
    def promises_are_kept(self) -> None:
        self.world.history.check()

    def teardown(self) -> None:
        """Whoever is frozen or cut off comes back; then everybody works until all is over, in bounded time."""
        if sys.exc_info()[0] is not None:
            return  # a promise was broken already
        world = self.world
        for worker in world.workers:
            worker.frozen = worker.cut_off = False
            worker.beat()
        last = max([world.clock.at, *world.history.instants.values()])
        while world.history.open():
            late_s = (world.clock.at - last).total_seconds()
            assert late_s < WITHIN_S, f"not over after {late_s:g} s: {world.history.open()}"
            self.everybody_works()
            world.history.check()
            if world.history.open():
                world.pass_time(LOOK_EVERY_S)
        world.tried.ends.update(f"{row.state} {row.error or ''}".strip() for row in world.history.rows.values())

    def everybody_works(self) -> None:
        """One round of all processes and clients, in order."""
        while self.world.sweeper.step():
            pass
        for worker in self.world.workers:
            self.run_all(worker)
            worker.flush()
        for _ in range(ROUNDS):
            self.world.promoters[0.0].step()
            took = [self.take_one(worker) for worker in self.world.workers]
            if not any(took):
                break
        self.lease(ALL, None)
        while self.world.leases:
            self.hand_in(self.world.leases.pop(), well=True, fault=None)

    def take_one(self, worker: ModelWorker) -> bool:
        """An envelope, and all that is in it."""
        taken = worker.take()
        self.run_all(worker)
        worker.flush()
        return taken
