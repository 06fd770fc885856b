"""Recovery times after three single faults, with the default settings."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.acceptance.client import new_task
from tests.acceptance.conditions import sleep_until, wait_until
from tests.acceptance.load import create_spread
from tests.acceptance.service import Service
from tests.acceptance.stores import Stores
from tests.acceptance.witness import Witness
from tests.faults.causes import worker_pid
from tests.faults.trail import Trail

if TYPE_CHECKING:
    from tests.acceptance.processes import ServiceProcess

REHEARSAL = 100
LONG = 12
LONG_S = 60.0
BRIEF = 800
SPREAD_S = 16.0
FLUSHED = 200
FLUSHED_S = 4.0
KILLS = 3
AROUND_S = 0.2, 1.0  # before and after a kill: tasks due in this time may be late because of it
SETTLED_S = 60.0


@dataclass(frozen=True, slots=True)
class Reactions:
    """How long tasks had to wait because of each fault."""

    worker_killed_s: float
    """Until the last task that the worker ran was failed or scheduled again."""
    flush_s: float
    """The maximum lateness of tasks that were in Redis when it was wiped."""
    promoter_killed_ms: float
    """The maximum lateness of tasks while one of two promoters was killed three times."""
    usual_ms: float
    """The maximum lateness without faults, for comparison."""

    def line(self) -> str:
        """Return a summary in one line."""
        return (
            f"worker killed: its tasks settled after {self.worker_killed_s:.1f} s; "
            f"FLUSHALL: worst start {self.flush_s:.2f} s late; "
            f"promoter killed: worst start {self.promoter_killed_ms:.0f} ms late (usually {self.usual_ms:.0f} ms)"
        )


def measure() -> Reactions:
    """Start a service and inject the faults, in about half a minute. Call it in the main thread only."""
    with tempfile.TemporaryDirectory(prefix="punctual-reactions-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        environment = {"SHUTDOWN_GRACE_S": "1"}
        with Stores(folder) as stores, Service(stores, folder / "service", environment) as service:
            service.start(web=1, promoter=2, worker=3, sweeper=1)
            return _measure(service, Witness(folder / "witness"), Trail(service.database_url))


def _measure(service: Service, witness: Witness, trail: Trail) -> Reactions:
    _rehearse(service, witness)
    long = new_task("witness", witness.payload(seconds=LONG_S), timeout_s=2 * LONG_S)
    held = {each["id"] for each in service.client.create_many([long] * LONG)}
    wait_until(lambda: len(held & {task_id for task_id, _ in witness.begun()}) == LONG, SETTLED_S, "the long tasks run")
    victim = _busiest(service, trail, held)
    began, due = _spread(service, witness, BRIEF, SPREAD_S)

    victim.kill()
    killed_at = time.time()
    sleep_until(began + AROUND_S[1])
    kills = [_kill_one_of_two_promoters(service) for _ in range(KILLS)]
    flushed_at, known = _flush(service, witness)
    due |= known
    wait_until(lambda: due.keys() <= {task_id for task_id, _ in witness.begun()}, SETTLED_S, "all have started")
    wait_until(lambda: _settled(trail, victim, held), SETTLED_S, "the worker's tasks are rescued")

    starts = {each.task_id: each.at for each in witness.sights() if each.what == "began"}
    late = [(at, starts[each] - at) for each, at in due.items()]
    before_s, after_s = AROUND_S
    at_kills = [late_s for at, late_s in late if any(-before_s <= at - kill < after_s for kill in kills)]
    return Reactions(
        worker_killed_s=max(_settled(trail, victim, held)) - killed_at,
        flush_s=max(late_s for at, late_s in late if at >= flushed_at),
        promoter_killed_ms=max(at_kills) * 1000,
        usual_ms=max(late_s for at, late_s in late if at < kills[0] - before_s) * 1000,
    )


def _spread(service: Service, witness: Witness, count: int, over_s: float) -> tuple[float, dict[str, float]]:
    """Create tasks; return when the first one is due, and when each is."""
    began, ids = create_spread(service.client, witness, count=count, over_s=over_s)
    return began, {each: began + over_s * number / count for number, each in enumerate(ids)}


def _flush(service: Service, witness: Witness) -> tuple[float, dict[str, float]]:
    """Wipe Redis under load; return when, and when each of the tasks is due."""
    began, due = _spread(service, witness, FLUSHED, FLUSHED_S)
    sleep_until(began + FLUSHED_S / 2)
    with service.redis() as redis:
        redis.flushall()
    return time.time(), due


def _kill_one_of_two_promoters(service: Service) -> float:
    """Kill a promoter and start another one; return when it was killed."""
    victim = service.living("promoter")[0]
    killed_at = time.time()
    victim.kill()
    sleep_until(killed_at + AROUND_S[1])  # starting one takes a processor for a second
    service.start(promoter=1)
    return killed_at


def _rehearse(service: Service, witness: Witness) -> None:
    """Run tasks before the measurement, so that durations are known and children have started."""
    task = new_task("witness", witness.payload())
    service.client.wait_final(service.client.create_batch([task] * REHEARSAL), timeout=SETTLED_S)


def _busiest(service: Service, trail: Trail, held: set[str]) -> ServiceProcess:
    """Return the worker that runs most of these tasks."""
    claims = [each for each in trail.changes() if each.task_id in held and each.new == "running"]
    (pid, _), *_ = Counter(worker_pid(each.worker) for each in claims).most_common(1)
    return next(each for each in service.living("worker") if each.pid == pid)


def _settled(trail: Trail, victim: ServiceProcess, held: set[str]) -> list[float]:
    """Return when each task of the worker was rescued; an empty list until all are."""
    changes = [each for each in trail.changes() if each.task_id in held and worker_pid(each.worker) == victim.pid]
    claimed = {each.task_id for each in changes if each.new == "running"}
    rescued = {each.task_id: each.at for each in changes if each.old == "running"}
    return list(rescued.values()) if rescued.keys() == claimed else []
