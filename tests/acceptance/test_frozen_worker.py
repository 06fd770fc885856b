"""A worker that continues after it was frozen for too long neither runs its tasks further nor overwrites outcomes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psycopg

from tests.acceptance.claiming import claim_waits
from tests.acceptance.client import new_task
from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import is_run_by

if TYPE_CHECKING:
    from tests.acceptance.conftest import NewService
    from tests.acceptance.witness import Witness

QUICK = {"HEARTBEAT_S": "1", "WORKER_DEAD_AFTER_S": "5", "SLOTS": "4"}
SLOTS = 8


def test_a_worker_that_was_frozen_changes_nothing_when_it_continues(new_service: NewService, witness: Witness) -> None:
    service = new_service(QUICK)
    payload = witness.payload(until=str(witness.gate))
    created = service.client.create_many(
        [new_task("witness", payload, max_attempts=1 + 2 * (n % 2), timeout_s=600) for n in range(SLOTS)]
    )
    wait_until(lambda: len(witness.begun()) == SLOTS, 15, "all slots are taken")
    victim = service.living("worker")[0]
    held = [each["id"] for each in service.client.list_all(state="running") if is_run_by(each, victim)]
    victim.send(signal.SIGSTOP)
    witness.gate.touch()  # its children continue, and end before their run lease expires
    done = service.client.wait_final([each["id"] for each in created], timeout=30)
    victim.send(signal.SIGCONT)
    for each in held:
        expected = ("failed", 1) if done[each]["max_attempts"] == 1 else ("succeeded", 2)
        assert (done[each]["state"], done[each]["attempt"]) == expected
    wait_until(lambda: "outcomes_fenced" in victim.stderr.read_text(), 10, "its late outcomes are refused")

    def works_again() -> bool:
        naps = service.client.create_many([new_task("nap", {"seconds": 1}) for _ in range(SLOTS)])
        after = service.client.wait_final([each["id"] for each in naps], timeout=20)
        return any(is_run_by(each, victim) for each in after.values())

    wait_until(works_again, 20, "it works again")
    assert service.client.wait_final(list(done), timeout=1) == done


def test_a_worker_frozen_between_the_claim_and_the_pool_starts_nothing(
    new_service: NewService, witness: Witness
) -> None:
    """The claim is committed while the worker is frozen; it reads the answer after the task was rescued."""
    service = new_service(QUICK, worker=1)
    (victim,) = service.living("worker")
    task = service.client.create("witness", witness.payload(), delay_s=2)["id"]
    with psycopg.connect(service.database_url) as other:
        other.execute("SELECT 1 FROM tasks WHERE id = %s FOR UPDATE", [task])
        wait_until(lambda: claim_waits(service), 15, "the claim waits for the row")
        victim.send(signal.SIGSTOP)
    assert service.client.get(task, wait_s=30)["error"]["type"] == "worker_lost"
    victim.send(signal.SIGCONT)
    wait_until(lambda: "worker_fenced" in victim.stderr.read_text(), 10, "it detects that it was frozen")
    later = service.client.create("witness", witness.payload())["id"]
    service.client.wait_final([later], timeout=20)
    witness.assert_ran_once([later])
