"""Faults that are not bound to a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from app.broker.contents import put_durations
from app.broker.rq.jobs import Delivery, push, queue
from tests.model.acting import DELIVERED, WHICH, Acting

if TYPE_CHECKING:
    from tests.model.worker import ModelWorker

EVERYTHING = "everything"
LOST_KEYS = st.sampled_from([EVERYTHING, "due:noop", "delivered:noop", "rq:queue:default"])
TROUBLES = st.sampled_from(["kill", "freeze", "thaw", "thaw, late outcomes first", "cut off", "reconnect"])
AHEAD_S = st.sampled_from([0.0, 0.0, 20.0, 20.0, -20.0, -3600.0])
DURATIONS_MS = st.sampled_from([0.1, 10.0, 3000.0])


class Troubles(Acting):
    """Redis loses keys, RQ repeats deliveries, workers are killed, frozen or disconnected, Postgres' clock is set."""

    @rule(which=WHICH, trouble=TROUBLES)
    def trouble_a_worker(self, which: int, trouble: str) -> None:
        """Kill, freeze, thaw, disconnect or reconnect a worker.

        Children of a frozen worker continue until the run lease expires. Threads of a thawed worker continue in any
        order.
        """
        self.world.tried.acts[trouble] += 1
        worker = self.worker(which)
        if trouble == "kill":
            self.replace(worker)
        elif trouble == "freeze":
            worker.frozen = True
        elif trouble.startswith("thaw"):
            worker.frozen = False
            self.worker_acts("wake", which, None, lambda worker: _wake(worker, flush_first="first" in trouble))
        else:
            worker.cut_off = trouble == "cut off"

    @rule(ahead_s=AHEAD_S)
    def set_the_clock_of_postgres(self, ahead_s: float) -> None:
        """Set it back by up to an hour, or forward by less, because a task that is tried again waits for that clock."""
        self.world.tried.acts["set the clock of Postgres"] += 1
        self.world.clock.set_postgres(ahead_s)

    @precondition(lambda self: self.ids)
    @rule(picks=st.lists(st.integers(0, 30), max_size=4), lost=LOST_KEYS, duration_ms=DURATIONS_MS)
    def trouble_redis(self, picks: list[int], lost: str, duration_ms: float) -> None:
        """Deliver any ids again, or lose keys of Redis. Change the durations, and so the size of deliveries."""
        if picks:
            self.world.tried.acts["deliver again"] += 1
            delivery = Delivery("noop", [str(self.some_id(each)) for each in picks])
            push(queue("default", self.world.redis), [delivery])
        elif lost == EVERYTHING:
            self.world.tried.acts["wipe Redis"] += 1
            self.world.harm.flushall()
        else:
            self.world.tried.acts["lose a key of Redis"] += 1
            self.world.redis.delete(lost)
        put_durations(self.world.redis, dict.fromkeys(DELIVERED, duration_ms))


def _wake(worker: ModelWorker, *, flush_first: bool) -> None:
    if flush_first:
        worker.flush()
    worker.beat()
