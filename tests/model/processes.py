"""The steps of promoters, workers and the sweeper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.model.acting import FAILURE, WHICH, Acting, faults

if TYPE_CHECKING:
    from tests.model.faults import Fault
    from tests.model.worker import ModelWorker

SKEWS_S = st.sampled_from([0.0, 0.0, -5.0, 5.0])
COUNTS = st.sampled_from([0, 1, 4, 4])
MOSTLY = st.sampled_from([True, True, True, False])
PASSING = st.sampled_from([0.001, 0.5, 1.0, 2.5, 6.0, 11.0, 16.0, 40.0])
PROMOTING = faults("clock", "take_back", "promote", "push", "sent")
WORKING = faults("pop", "fetch or durations", "claim", "waiting", "remove", "add", "finish", "finish")
SWEEPING = faults("heartbeats", "running", "lost", "rescue", "generation", "clock", "due_between", "unknown", "add")
STOPPING = faults("hand_back", "add", "heartbeat", "claimed_by")


@dataclass(frozen=True, slots=True)
class Flow:
    """What a worker does: deliveries taken, tasks started and ended, outcomes written; and what happens to it then."""

    worker: int
    deliveries: int
    begin: int
    end: int
    well: bool
    flush: bool
    fault: Fault | None
    then: str


THEN = st.sampled_from(["goes on", "goes on", "is killed", "is frozen"])
FLOWS = st.builds(Flow, WHICH, COUNTS, COUNTS, COUNTS, MOSTLY, MOSTLY, WORKING, THEN)


class Processes(Acting):
    """Promoters, the sweeper, workers and their children; any of them may crash at any step."""

    @rule(attempts=st.integers(0, 3), skew_s=SKEWS_S, fault=PROMOTING, flow=FLOWS)
    def promote_and_work(self, attempts: int, skew_s: float, fault: Fault | None, flow: Flow) -> None:
        """Promote and run due tasks, after creating two of them if `attempts` is not 0."""
        if attempts:
            self.create_tasks("noop", [-1.0, 0.0], attempts, None)
        with self.acting("promote", fault) as outcome:
            self.world.promoters[skew_s].step()
        if outcome.crashed:
            self.world.promoters[skew_s] = self.world.new_promoter(skew_s)
        self.work(flow)

    @rule(flow=FLOWS)
    def work(self, flow: Flow) -> None:
        """Let a worker and its children act; only the children if it is frozen, until the run lease expires."""
        worker = self.worker(flow.worker)

        def act(worker: ModelWorker) -> None:
            for _ in range(flow.deliveries):
                worker.take()
            self.children_act(worker, flow)
            if flow.flush:
                worker.flush()

        if worker.frozen:
            self.children_act(worker, flow)
        self.worker_acts("work", flow.worker, flow.fault, act)
        if flow.then == "is killed":
            self.replace(self.worker(flow.worker))
        worker.frozen |= flow.then == "is frozen"

    @rule(which=WHICH, act=st.sampled_from(["hand back", "beat", "beat"]), fault=STOPPING)
    def beat_or_hand_back(self, which: int, act: str, fault: Fault | None) -> None:
        def hand_back(worker: ModelWorker) -> None:
            worker.pool.withdraw()
            worker.flush()

        self.worker_acts(act, which, fault, hand_back if act == "hand back" else lambda worker: worker.beat())

    @rule(seconds=PASSING, sweeps=st.integers(0, 2), fault=SWEEPING)
    def pass_time_and_sweep(self, seconds: float, sweeps: int, fault: Fault | None) -> None:
        self.world.tried.acts["pass time"] += 1
        self.world.pass_time(seconds)
        for _ in range(sweeps):
            with self.acting("sweep", fault) as outcome:
                self.world.sweeper.step()
            if outcome.crashed:
                self.world.sweeper = self.world.new_sweeper()

    def children_act(self, worker: ModelWorker, flow: Flow) -> None:
        """Let children start and end some tasks."""
        for at in range(flow.begin):
            self.begin_one(worker, at)
        if not worker.pool.is_over:
            for at in range(min(flow.end, len(worker.pool.begun))):
                worker.pool.end(at, None if flow.well else FAILURE)
