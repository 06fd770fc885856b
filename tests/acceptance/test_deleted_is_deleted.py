"""A deletion answered with 200 means that the handler has not run and will not run, also at the due instant."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.acceptance.client import new_task
from tests.acceptance.conditions import sleep_until, wait_until

if TYPE_CHECKING:
    from tests.acceptance.client import Json
    from tests.acceptance.conftest import NewService
    from tests.acceptance.service import Service
    from tests.acceptance.witness import Witness

RACES = 200
AT_ONCE = 8
CREATED_BEFORE_S = 0.2
STEP_S = 0.002
SLOTS = 2


def test_either_the_deletion_or_the_claim_wins_at_the_due_instant(service: Service, witness: Witness) -> None:
    """Each deletion is sent as close to the claim as possible, so that either may be first.

    The right moment depends on the machine: a deletion that is too late makes the next ones earlier, and vice versa.
    """
    aim = Aim()

    def race(_number: int) -> tuple[str, int]:
        at = time.time() + aim.ahead_s
        task_id = service.client.create("witness", witness.payload(), execute_at=at)["id"]
        aim.created(at - time.time())
        sleep_until(at + aim.offset_s + random.uniform(-0.015, 0.015))
        status = service.client.delete(task_id)
        aim.answered(status)
        return task_id, status

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(pool.map(race, range(RACES)))
    assert set(answers.values()) == {200, 409}, "both deletions and claims win some races"
    settled = settle(service, witness, list(answers))
    for task_id, status in answers.items():
        expected = "deleted" if status == 200 else "succeeded"
        assert settled[task_id]["state"] == expected, f"{settled[task_id]} was answered {status}"
    kept = [each for each, status in answers.items() if status == 409]
    assert min(len(kept), RACES - len(kept)) >= 5, "the race is too one-sided to be meaningful"


def test_an_overdue_task_that_waits_for_a_slot_can_be_deleted(new_service: NewService, witness: Witness) -> None:
    service = new_service({"SLOTS": "1"})
    naps = service.client.create_many([new_task("nap", {"seconds": 6})] * SLOTS)
    wait_until(lambda: len(service.client.list_all(type="nap", state="running")) == SLOTS, 10, "all slots are taken")
    overdue = [each["id"] for each in service.client.create_many([new_task("witness", witness.payload())] * 60)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(overdue, pool.map(service.client.delete, overdue), strict=True))
    assert list(answers.values()).count(200) > 30, "most tasks wait while all slots are taken"
    settled = settle(service, witness, overdue)
    assert {settled[each]["state"] for each, status in answers.items() if status == 200} == {"deleted"}
    service.client.wait_final([each["id"] for each in naps], timeout=20, type="nap")


def test_a_repeated_deletion_has_the_same_answer_and_the_task_is_not_shown(service: Service, witness: Witness) -> None:
    created = service.client.create("witness", witness.payload(), delay_s=3600)
    first = service.client.request("DELETE", f"/tasks/{created['id']}")
    again = service.client.request("DELETE", f"/tasks/{created['id']}")
    assert (first.status_code, again.status_code, first.json()) == (200, 200, again.json())
    shown = service.client.request("GET", f"/tasks/{created['id']}")
    assert shown.status_code == 404
    assert shown.json()["details"]["deleted_at"] == first.json()["deleted_at"]
    assert created["id"] not in {each["id"] for each in service.client.list_all(type="witness")}


def test_a_hundred_concurrent_deletions_of_one_task_agree(service: Service, witness: Witness) -> None:
    task_id = service.client.create("witness", witness.payload(), delay_s=3600)["id"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: service.client.request("DELETE", f"/tasks/{task_id}"), range(100)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["deleted_at"] for each in answers}) == 1


class Aim:
    """When to create a task before it is due, and when to delete it; adjusted after each race."""

    def __init__(self) -> None:
        self.ahead_s = CREATED_BEFORE_S
        self.offset_s = 0.005

    def created(self, left_s: float) -> None:
        """Create earlier if little time was left before the instant."""
        if left_s < CREATED_BEFORE_S / 2:
            self.ahead_s += CREATED_BEFORE_S / 2 - left_s

    def answered(self, status: int) -> None:
        """Delete later after a deletion that won, earlier after one that lost."""
        self.offset_s += STEP_S if status == 200 else -STEP_S
        self.offset_s = max(self.offset_s, 0.05 - self.ahead_s)


def settle(service: Service, witness: Witness, ids: list[str]) -> dict[str, Json]:
    """Wait until all are final and a later task has run; assert that each was either deleted or run once."""
    service.client.wait_final(ids, timeout=20, type="witness")
    barrier = service.client.create("witness", witness.payload())["id"]
    service.client.wait_final([barrier], timeout=20, type="witness")
    settled = service.client.wait_final(ids, timeout=1, type="witness")
    witness.assert_ran_once([barrier, *(each for each in ids if settled[each]["state"] != "deleted")])
    return settled
