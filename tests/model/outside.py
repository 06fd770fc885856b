"""What outside workers do with their leases."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from app.errors import ClaimLost, TaskDeleted, TaskNotClaimable, TaskNotFound
from app.ledger import leases
from app.task import Lease, Outcome
from tests.model.acting import FAILURE, OUTSIDE, Acting

if TYPE_CHECKING:
    from tests.model.faults import Fault


class Outside(Acting):
    """A laptop that begins whatever it was answered, at once."""

    def lease(self, limit: int, fault: Fault | None) -> None:
        """Those due earliest; a laptop begins what it was answered."""
        won: list[Lease] = []
        with self.acting("lease", fault):
            won = leases.lease_due(self.world.engine, worker_id="laptop", types=[OUTSIDE], limit=limit)
        for each in won:
            self.world.history.begins(str(each.task.id), each.task.attempt, str(each.claim_token))
        self.world.leases += won

    def hand_in(self, held: Lease, *, well: bool, fault: Fault | None) -> None:
        """A heartbeat, and how the attempt ended."""
        result, error = (str(held.task.attempt), None) if well else (None, FAILURE)
        with self.acting("hand in", fault), suppress(ClaimLost):
            with suppress(ClaimLost):
                leases.extend_lease(self.world.engine, held.task.id, held.claim_token)
            outcome = Outcome(str(held.task.id), str(held.claim_token), result, error)
            self.world.operations.finish_lease(held.task.id, outcome)

    def lease_and_release(self, which: int, fault: Fault | None) -> None:
        """One certain task, which does not begin."""
        wanted = self.some_id(which)
        with self.acting("release", fault), suppress(TaskNotClaimable, TaskNotFound, TaskDeleted, ClaimLost):
            won = leases.lease_one(self.world.engine, wanted, worker_id="laptop", types=[OUTSIDE])
            leases.release_lease(self.world.engine, wanted, won.claim_token)
