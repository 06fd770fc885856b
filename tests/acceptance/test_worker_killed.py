"""The tasks of a worker that dies get an outcome with an error type, and no process of it survives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.acceptance.client import new_task, seconds
from tests.acceptance.conditions import wait_until
from tests.acceptance.load import create_spread
from tests.acceptance.processes import descendants, is_alive, is_run_by
from tests.patience import patience

if TYPE_CHECKING:
    from tests.acceptance.conftest import NewService
    from tests.acceptance.witness import Witness

QUICK = {"HEARTBEAT_S": "1", "WORKER_DEAD_AFTER_S": "5", "SLOTS": "4"}
SLOTS = 8
SETTLED_WITHIN_S = 20.0


def test_tasks_of_a_killed_worker_are_rescued_and_the_others_run_elsewhere(
    new_service: NewService, witness: Witness
) -> None:
    service = new_service(QUICK)
    payload = witness.payload(until=str(witness.gate))  # run until the kill
    running = service.client.create_many(
        [new_task("witness", payload, max_attempts=1 + 2 * (n % 2), timeout_s=600) for n in range(SLOTS)]
    )
    wait_until(lambda: len(witness.begun()) == SLOTS, 15, "all slots are taken")
    waiting = service.client.create_many([new_task("witness", witness.payload()) for _ in range(40)])
    victim = service.living("worker")[0]
    children = descendants(victim.pid)
    assert len(children) >= 4
    held = [each for each in service.client.list_all(state="running") if is_run_by(each, victim)]
    assert len(held) == 4

    victim.kill()
    killed_at = time.time()
    wait_until(lambda: not any(map(is_alive, children)), 3, "no child of the killed worker runs")
    witness.gate.touch()
    done = service.client.wait_final([each["id"] for each in [*running, *waiting]], timeout=60)

    for each in held:
        after = done[each["id"]]
        if each["max_attempts"] == 1:
            assert (after["state"], after["attempt"]) == ("failed", 1)
            assert (after["error"]["type"], after["error"]["attempt"]) == ("worker_lost", 1)
            assert seconds(after["finished_at"]) - killed_at < patience(SETTLED_WITHIN_S)
        else:
            assert (after["state"], after["attempt"], after["error"]) == ("succeeded", 2, None)
            assert seconds(after["started_at"]) - killed_at < patience(SETTLED_WITHIN_S)
        assert not (after["state"] == "succeeded" and is_run_by(after, victim))
    kept = {each["id"] for each in [*running, *waiting]} - {each["id"] for each in held}
    assert {(done[each]["state"], done[each]["attempt"]) for each in kept} == {("succeeded", 1)}
    begun = witness.begun()
    assert len(begun) == len(set(begun))


def test_tasks_in_the_inbox_of_a_killed_worker_run(new_service: NewService, witness: Witness) -> None:
    """Workers are killed repeatedly under a load of short tasks. Only started tasks may fail, with `worker_lost`."""
    service = new_service(QUICK)
    _, ids = create_spread(service.client, witness, count=1500, over_s=3)
    for share in (0.2, 0.4, 0.6):
        wait_until(lambda share=share: len(witness.begun()) > share * 1500, 20, f"{share} have started")  # type: ignore[misc]
        service.living("worker")[0].kill()
        service.start(worker=1)
    done = service.client.wait_final(ids, timeout=40)
    begun = witness.begun()
    assert len(begun) == len(set(begun)), "no attempt starts twice"
    lost = {each["id"] for each in done.values() if each["state"] != "succeeded"}
    assert {done[each]["error"]["type"] for each in lost} <= {"worker_lost"}
    assert {(each, 1) for each in done.keys() - lost} <= set(begun)
