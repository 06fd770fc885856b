"""How soon the service gets over three single faults, with the settings it has by default."""

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
AROUND_S = 0.2, 1.0  # before and after a kill: what is due then may be late because of it
SETTLED_S = 60.0


@dataclass(frozen=True, slots=True)
class Reactions:
    """From the fault to its end, as tasks had to wait for it."""

    worker_killed_s: float
    """Until the last task that it ran had failed, or was scheduled again."""
    flush_s: float
    """The longest that a task waited of those that were in Redis when it was wiped."""
    promoter_killed_ms: float
    """The longest that a task waited while one of two promoters was killed three times."""
    usual_ms: float
    """The longest that a task waited while nothing happened, for comparison."""

    def said(self) -> str:
        """In one line."""
        return (
            f"worker killed: its tasks settled after {self.worker_killed_s:.1f} s; "
            f"FLUSHALL: worst start {self.flush_s:.2f} s late; "
            f"promoter killed: worst start {self.promoter_killed_ms:.0f} ms late (usually {self.usual_ms:.0f} ms)"
        )


def measure() -> Reactions:
    """Start a service and strike it; about half a minute. Only in the main thread."""
    with tempfile.TemporaryDirectory(prefix="punctual-reactions-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        environment = {"SHUTDOWN_GRACE_S": "1"}
        with Stores(folder) as stores, Service(stores, folder / "service", environment) as service:
            service.start(web=1, promoter=2, worker=3, sweeper=1)
            return _strike(service, Witness(folder / "witness"), Trail(service.database_url))


def _strike(service: Service, witness: Witness, trail: Trail) -> Reactions:
    _rehearse(service, witness)
    long = new_task("witness", witness.payload(seconds=LONG_S), timeout_s=2 * LONG_S)
    held = {each["id"] for each in service.client.create_many([long] * LONG)}
    wait_until(lambda: len(held & {task_id for task_id, _ in witness.begun()}) == LONG, SETTLED_S, "the long ones run")
    victim = _busiest(service, trail, held)
    began, due = _spread(service, witness, BRIEF, SPREAD_S)

    victim.kill()
    killed_at = time.time()
    sleep_until(began + AROUND_S[1])
    kills = [_kill_one_of_two_promoters(service) for _ in range(KILLS)]
    flushed_at, known = _flush(service, witness)
    due |= known
    wait_until(lambda: due.keys() <= {task_id for task_id, _ in witness.begun()}, SETTLED_S, "all have begun")
    wait_until(lambda: _settled(trail, victim, held), SETTLED_S, "what the worker ran is settled")

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
    """When the first task is due, and when each is."""
    began, ids = create_spread(service.client, witness, count=count, over_s=over_s)
    return began, {each: began + over_s * number / count for number, each in enumerate(ids)}


def _flush(service: Service, witness: Witness) -> tuple[float, dict[str, float]]:
    """Wipe Redis in the middle of a load: when, and what was due afterwards."""
    began, due = _spread(service, witness, FLUSHED, FLUSHED_S)
    sleep_until(began + FLUSHED_S / 2)
    with service.redis() as redis:
        redis.flushall()
    return time.time(), due


def _kill_one_of_two_promoters(service: Service) -> float:
    """When; once it returns there are two again."""
    victim = service.living("promoter")[0]
    killed_at = time.time()
    victim.kill()
    sleep_until(killed_at + AROUND_S[1])  # starting one takes a processor for a second
    service.start(promoter=1)
    return killed_at


def _rehearse(service: Service, witness: Witness) -> None:
    """Types are measured and children started before anything counts."""
    task = new_task("witness", witness.payload())
    service.client.wait_final(service.client.create_batch([task] * REHEARSAL), timeout=SETTLED_S)


def _busiest(service: Service, trail: Trail, held: set[str]) -> ServiceProcess:
    """The worker that runs most of these."""
    claims = [each for each in trail.changes() if each.task_id in held and each.new == "running"]
    (pid, _), *_ = Counter(worker_pid(each.worker) for each in claims).most_common(1)
    return next(each for each in service.living("worker") if each.pid == pid)


def _settled(trail: Trail, victim: ServiceProcess, held: set[str]) -> list[float]:
    """When each thing that it ran was taken from it; nothing before the last one was."""
    mine = [each for each in trail.changes() if each.task_id in held and worker_pid(each.worker) == victim.pid]
    claimed = {each.task_id for each in mine if each.new == "running"}
    taken = {each.task_id: each.at for each in mine if each.old == "running"}
    return list(taken.values()) if taken.keys() == claimed else []
