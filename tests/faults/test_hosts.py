"""Hosts on a network, one of which is disconnected for longer than a worker needs to count as dead."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.client import new_task
from tests.acceptance.conditions import wait_until
from tests.acceptance.witness import Witness
from tests.faults.chaos import HANDLERS
from tests.faults.checker import check
from tests.faults.distributed import HOSTS, distributed
from tests.faults.history import Answer, Change, History, Struck
from tests.faults.hosts import Hosts, why_not
from tests.faults.plan import QUICK, Plan
from tests.faults.trail import Trail

if TYPE_CHECKING:
    from tests.acceptance.client import Json
    from tests.acceptance.service import Service

WHY_NOT = why_not()
SLOTS, BRIEF = 4, 300
SERIALS = count()
DISCONNECTED_S = 11.0  # a worker counts as dead after 8 s

pytestmark = [pytest.mark.slow, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Five hosts, and the one of this process."""
    with Hosts(HOSTS) as made:
        yield made


def test_an_unplugged_host_is_unreachable_until_it_is_plugged_in(hosts: Hosts) -> None:
    with hosts.inside("left"):
        server = socket.create_server((hosts.address("left"), 0))
    with server, hosts.inside("right"):
        assert reaches(server)
        hosts.unplug("left")
        assert not reaches(server)
        hosts.plug("left")
        wait_until(lambda: reaches(server), 10, "the host is reachable again")


def reaches(server: socket.socket) -> bool:
    try:
        socket.create_connection(server.getsockname(), timeout=0.5).close()
    except OSError:
        return False
    return True


@pytest.mark.timeout(900)
def test_a_host_that_was_disconnected_runs_nothing_twice(hosts: Hosts, tmp_path: Path) -> None:
    environment = {**QUICK, "SLOTS": str(SLOTS), "TASK_MODULES": HANDLERS}
    witness, history = Witness(tmp_path / "witness"), History(worker_dead_after_s=float(QUICK["WORKER_DEAD_AFTER_S"]))
    with tempfile.TemporaryDirectory(prefix="punctual-hosts-") as folder:
        Path(folder).chmod(0o755)
        with distributed(hosts, Path(folder), tmp_path / "service", environment) as (service, owner_url):
            trail = Trail(owner_url)
            service.start(web=1, promoter=1, left_worker=1, right_worker=1, sweeper=1)
            limits = [{"max_attempts": 1 + number % 2, "timeout_s": 600} for number in range(2 * SLOTS)]
            history.answers += create(service, witness, "long", limits, until=str(witness.gate))
            wait_until(lambda: len(witness.begun()) == 2 * SLOTS, 30, "all slots are taken")
            spread = [{"delay_s": DISCONNECTED_S * number / BRIEF} for number in range(BRIEF)]
            history.answers += create(service, witness, "brief", spread)

            pid = service.living("left_worker")[0].pid
            cut = Struck("unplugged", "left", time.time(), 0.0, "outage", (pid,))
            hosts.unplug("left")
            witness.gate.touch()  # its tasks end now, but their outcomes reach no server
            time.sleep(DISCONNECTED_S)
            wait_until(lambda: lost(trail.changes()), 30, "its tasks are rescued while it is disconnected")
            hosts.plug("left")
            history.healed_at = cut.ended_at = time.time()
            wait_until(lambda: trail.unfinished() == 0, 90, "all are final")
            history.final_at = time.time()
            history.tasks, history.changes, history.sights = trail.tasks(), trail.changes(), witness.sights()
            history.faults = [cut]
            wait_until(lambda: takes_part(service, witness, pid), 60, "its worker runs tasks again")

    assert not [each for each in check(history, Plan(seed=0, drained_within_s=90)) if each.broken]
    assert len(history.tasks) == 2 * SLOTS + BRIEF
    assert {each.new for each in lost(history.changes)} <= {"failed", "scheduled"}


def lost(changes: list[Change]) -> list[Change]:
    """Return the changes by which tasks were taken from a dead worker."""
    return [each for each in changes if each.old == "running" and each.error == "worker_lost"]


def takes_part(service: Service, witness: Witness, pid: int) -> bool:
    """Create a few tasks and return whether the worker with this pid runs any of them."""
    limits: list[Json] = [{} for _ in range(2 * SLOTS)]
    ids = [str(each.task_id) for each in create(service, witness, "long", limits, seconds=0.2)]
    return any(f".{pid}." in each["worker_id"] for each in service.client.wait_final(ids, timeout=30).values())


def create(service: Service, witness: Witness, kind: str, limits: list[Json], **payload: Any) -> list[Answer]:
    """Create a task for each of these limits; return the answers."""
    sent_at = time.time()
    wanted = [new_task(kind, witness.payload(serial=next(SERIALS), **payload), **each) for each in limits]
    made = service.client.create_many(wanted)
    return [Answer("create", sent_at, time.time(), 201, each["id"]) for each in made]
