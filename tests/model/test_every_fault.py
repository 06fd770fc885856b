"""Every fault at every step once: the deterministic counterpart of the random state machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.model.acting import OUTSIDE
from tests.model.faults import KINDS, Fault
from tests.model.machine import Everything
from tests.model.processes import Flow

if TYPE_CHECKING:
    from tests.model.world import Servers

STEPS = (
    "insert", "add", "delete", "get", "remove", "lease_due", "extend_lease", "finish", "clock", "take_back",
    "promote", "push", "sent", "pop", "fetch or durations", "claim", "waiting", "heartbeat", "hand_back", "heartbeats",
    "running", "lost", "rescue", "generation", "due_between", "unknown",
)  # fmt: skip


def live(model: Everything, fault: Fault) -> None:
    """Run all actions on some tasks, of which one fails and one waits, with the fault in each action."""
    model.create_tasks("noop", [0.0, -1.0, -1.0, 3.0], 2, fault)
    model.create_tasks("noop", [0.0, -1.0, -1.0, 3.0], 2, None)
    model.create_tasks(OUTSIDE, [0.0], 2, None)
    model.delete(which=7, fault=fault)
    model.delete(which=0, fault=None)
    model.delete(which=0, fault=fault)
    model.work_outside(act="lease", which=0, well=True, fault=fault)
    model.work_outside(act="lease", which=0, well=True, fault=None)
    model.work_outside(act="hand in", which=0, well=False, fault=fault)
    for well, flush, then in ((True, True, "goes on"), (False, True, "goes on"), (True, False, "is killed")):
        model.trouble_redis(picks=[7, 3], lost="", duration_ms=10.0)
        flow = Flow(0, 3, 2, 1, well=well, flush=flush, fault=fault, then=then)
        model.promote_and_work(attempts=1, skew_s=0.0, fault=fault, flow=flow)
        model.promises_are_kept()
        model.beat_or_hand_back(which=0, act="hand back", fault=fault)
        model.beat_or_hand_back(which=1, act="beat", fault=fault)
    model.pass_time_and_sweep(seconds=0.5, sweeps=1, fault=None)  # begins to watch the workers that were killed
    model.pass_time_and_sweep(seconds=16.0, sweeps=1, fault=fault)
    model.pass_time_and_sweep(seconds=2.5, sweeps=2, fault=None)
    model.promises_are_kept()
    model.teardown()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", KINDS)
def test_the_promises_hold_with_a_fault_at_every_step(model_servers: Servers, kind: str) -> None:
    Everything.servers = model_servers
    for step in STEPS:
        live(Everything(), Fault(kind, step))
    assert {(kind, step) for step in STEPS} <= set(model_servers.tried.faults)
