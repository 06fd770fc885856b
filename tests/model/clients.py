"""What clients ask for over HTTP, outside workers among them."""

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
OUTSIDE_WORK = faults("lease_due", "lease_one", "extend_lease", "finish", "finished_by", "release", "add")


class Clients(Outside):
    """Whoever speaks HTTP; a request may break off anywhere, and then nothing was promised."""

    @initialize(ahead_s=SOON, attempts=ATTEMPTS)
    def begin_with_some(self, ahead_s: float, attempts: int) -> None:
        self.ask_for("noop", [ahead_s] * 3, attempts, None)
        self.ask_for(OUTSIDE, [ahead_s], attempts, None)

    @rule(of=TYPES, ahead_s=AHEAD, attempts=ATTEMPTS, many=st.integers(1, 3), fault=CREATING)
    def create(self, of: str, ahead_s: float, attempts: int, many: int, fault: Fault | None) -> None:
        self.ask_for(of, [ahead_s] * many, attempts, fault)

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
        """Outcomes may come late, and twice."""
        if act == "lease":
            self.lease(1 + which % 2, fault)
        elif act == "release":
            self.lease_and_release(which, fault)
        elif self.world.leases:
            at = which % len(self.world.leases)
            held = self.world.leases[at] if act == "hand in again" else self.world.leases.pop(at)
            self.hand_in(held, well=well, fault=fault)
