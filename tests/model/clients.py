"""The requests of clients and outside workers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from app.errors import TaskNotDeletable, TaskNotFound
from tests.model.acting import DELIVERED, OUTSIDE, WHICH, faults
from tests.model.outside import Outside

if TYPE_CHECKING:
    from tests.model.faults import Fault

TYPES = st.sampled_from([*DELIVERED, *DELIVERED, OUTSIDE])
AHEAD = st.sampled_from([-3600.0, -5.0, 0.0, 0.0, 0.001, 0.5, 1.0, 1.0, 3.0, 12.0, 45.0, 130.0])
ATTEMPTS = st.integers(1, 3)
SOON = st.sampled_from([-5.0, 0.0, 0.5, 3.0])
CREATING = faults("insert", "get_many", "add")
DELETING = faults("delete", "get", "remove")
OUTSIDE_WORK = faults("lease_due", "lease_one", "extend_lease", "finish", "finished_by", "hand_back", "add")


class Clients(Outside):
    """Clients and outside workers. A request may fail at any step; then nothing is acknowledged."""

    @initialize(ahead_s=SOON, attempts=ATTEMPTS)
    def begin_with_some(self, ahead_s: float, attempts: int) -> None:
        self.create_tasks("noop", [ahead_s] * 3, attempts, None)
        self.create_tasks(OUTSIDE, [ahead_s], attempts, None)

    @rule(task_type=TYPES, ahead_s=AHEAD, attempts=ATTEMPTS, count=st.integers(1, 3), fault=CREATING)
    def create(self, task_type: str, ahead_s: float, attempts: int, count: int, fault: Fault | None) -> None:
        self.create_tasks(task_type, [ahead_s] * count, attempts, fault)

    @precondition(lambda self: self.ids)
    @rule(which=st.integers(0, 30), fault=DELETING)
    def delete(self, which: int, fault: Fault | None) -> None:
        wanted = self.some_id(which)
        with self.acting("delete", fault), suppress(TaskNotDeletable, TaskNotFound):
            self.world.history.deleted.add(str(self.world.operations.delete(wanted).id))

    @precondition(lambda self: self.ids)
    @rule(
        act=st.sampled_from(["lease", "hand in", "hand in again", "release"]),
        which=WHICH,
        well=st.booleans(),
        fault=OUTSIDE_WORK,
    )
    def work_outside(self, act: str, which: int, *, well: bool, fault: Fault | None) -> None:
        """Claim, report or release. Outcomes may be late, and may be reported twice."""
        if act == "lease":
            self.lease(1 + which % 2, fault)
        elif act == "release":
            self.lease_and_release(which, fault)
        elif self.world.leases:
            at = which % len(self.world.leases)
            held = self.world.leases[at] if act == "hand in again" else self.world.leases.pop(at)
            self.hand_in(held, well=well, fault=fault)
