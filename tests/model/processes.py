"""What the processes that move tasks do, a step or a few at a time."""

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
SOME = st.sampled_from([0, 1, 4, 4])
MOSTLY = st.sampled_from([True, True, True, False])
PASSING = st.sampled_from([0.001, 0.5, 1.0, 2.5, 6.0, 11.0, 16.0, 40.0])
PROMOTING = faults("clock", "take_back", "promote", "push", "sent")
WORKING = faults("pop", "fetch or durations", "claim", "waiting", "remove", "add", "finish", "finish")
SWEEPING = faults("lost", "rescue", "generation", "clock", "due_between", "unknown", "add")
STOPPING = faults("release", "add", "heartbeat", "claimed_by")


@dataclass(frozen=True, slots=True)
class Flow:
    """How far a worker comes: envelopes taken, tasks begun and ended, outcomes written; and what becomes of it."""

    worker: int
    envelopes: int
    begin: int
    end: int
    well: bool
    flush: bool
    fault: Fault | None
    then: str


THEN = st.sampled_from(["goes on", "goes on", "is killed", "is frozen"])
FLOWS = st.builds(Flow, WHICH, SOME, SOME, SOME, MOSTLY, MOSTLY, WORKING, THEN)


class Processes(Acting):
    """Promoters, the sweeper, workers and their children; any of them may die in the middle."""

    @rule(attempts=st.integers(0, 3), skew_s=SKEWS_S, fault=PROMOTING, flow=FLOWS)
    def promote_and_work(self, attempts: int, skew_s: float, fault: Fault | None, flow: Flow) -> None:
        """The way of what is due, two new tasks among it, as far as it gets."""
        if attempts:
            self.ask_for("noop", [-1.0, 0.0], attempts, None)
        with self.acting("promote", fault) as ending:
            self.world.promoters[skew_s].step()
        if ending.died:
            self.world.promoters[skew_s] = self.world.new_promoter(skew_s)
        self.work(flow)

    @rule(flow=FLOWS)
    def work(self, flow: Flow) -> None:
        """A worker and its children go on for a while; frozen, its children alone, until its lease is over."""
        worker = self.worker(flow.worker)

        def act(worker: ModelWorker) -> None:
            for _ in range(flow.envelopes):
                worker.take()
            self.children_go_on(worker, flow)
            if flow.flush:
                worker.flush()

        if worker.frozen:
            self.children_go_on(worker, flow)
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
            with self.acting("sweep", fault) as ending:
                self.world.sweeper.step()
            if ending.died:
                self.world.sweeper = self.world.new_sweeper()

    def children_go_on(self, worker: ModelWorker, flow: Flow) -> None:
        """Some begin, some end."""
        for at in range(flow.begin):
            self.begin_one(worker, at)
        if not worker.pool.is_over:
            for at in range(min(flow.end, len(worker.pool.begun))):
                worker.pool.end(at, None if flow.well else FAILURE)
