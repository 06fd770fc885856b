"""The acts of outside workers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from app.errors import ClaimLost, TaskDeleted, TaskNotClaimable, TaskNotFound
from tests.model.acting import FAILURE, OUTSIDE, Acting

if TYPE_CHECKING:
    from app.task import Lease
    from tests.model.faults import Fault


class Outside(Acting):
    """An outside worker that starts each task as soon as it has the answer to its claim."""

    def lease(self, limit: int, fault: Fault | None) -> None:
        """Claim the tasks that are due first, and start them."""
        won: list[Lease] = []
        with self.acting("lease", fault):
            won = self.world.operations.claim_due(worker_id="laptop", types=[OUTSIDE], limit=limit)
        for each in won:
            self.world.history.begins(str(each.task.id), each.task.attempt, str(each.claim_token))
        self.world.leases += won

    def hand_in(self, held: Lease, *, well: bool, fault: Fault | None) -> None:
        """Send a heartbeat and the outcome of the attempt."""
        operations, task_id, token = self.world.operations, held.task.id, held.claim_token
        with self.acting("hand in", fault), suppress(ClaimLost):
            with suppress(ClaimLost):
                operations.extend_lease(task_id, token)
            if well:
                operations.complete(task_id, token, str(held.task.attempt))
            else:
                operations.fail(task_id, token, **FAILURE)

    def lease_and_release(self, which: int, fault: Fault | None) -> None:
        """Claim one task and release it without starting it."""
        wanted = self.some_id(which)
        with self.acting("hand_back", fault), suppress(TaskNotClaimable, TaskNotFound, TaskDeleted, ClaimLost):
            won = self.world.operations.claim_one(wanted, worker_id="laptop")
            self.world.operations.hand_back(wanted, won.claim_token)
