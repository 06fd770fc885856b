"""A task that has started is not started again, no matter how often it is delivered."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from app.broker.keys import DURATIONS
from app.broker.rq.jobs import Delivery, push, queue
from tests.acceptance.client import new_task
from tests.acceptance.load import create_ahead

if TYPE_CHECKING:
    from tests.acceptance.client import Json
    from tests.acceptance.service import Service
    from tests.acceptance.witness import Witness

TASKS = 500


def test_tasks_due_at_the_same_instant_run_once_each(service: Service, witness: Witness) -> None:
    with service.broker() as redis:
        redis.delete(DURATIONS)  # tasks known to be short would go to one worker in one delivery
    at, ids = create_due_together(service, witness)
    done = service.client.wait_final(ids, timeout=20, type="witness")
    assert {each["state"] for each in done.values()} == {"succeeded"}
    witness.assert_ran_once(ids)
    assert min(each.at for each in witness.sights()) >= at


def test_tasks_delivered_four_times_run_once_each(service: Service, witness: Witness) -> None:
    """The test pushes deliveries just before, at and after the instant; there are two promoters and web processes."""
    with service.beside(promoter=1, web=1), service.broker() as redis:
        at, ids = create_due_together(service, witness)
        default = queue("default", redis)
        for lead_s in (0.1, 0.0, -0.1):
            shuffled = random.sample(ids, len(ids))
            time.sleep(max(0.0, at - lead_s - time.time()))
            push(default, [Delivery("witness", shuffled[start : start + 50]) for start in range(0, TASKS, 50)])
        done = service.client.wait_final(ids, timeout=20, type="witness")
        assert {(each["state"], each["attempt"]) for each in done.values()} == {("succeeded", 1)}
    witness.assert_ran_once(ids)


def test_a_delivery_of_final_tasks_is_harmless(service: Service, witness: Witness) -> None:
    ids = [each["id"] for each in service.client.create_many([new_task("witness", witness.payload())] * 20)]
    before = service.client.wait_final(ids, timeout=20, type="witness")
    with service.broker() as redis:
        push(queue("default", redis), [Delivery(each, ids) for each in ("witness", "noop", "no-such-type")])
    barrier = service.client.create("witness", witness.payload())["id"]
    service.client.wait_final([barrier], timeout=20, type="witness")
    assert service.client.wait_final(ids, timeout=1, type="witness") == before
    witness.assert_ran_once([*ids, barrier])


def create_due_together(service: Service, witness: Witness) -> tuple[float, list[str]]:
    """Create tasks that are due at one instant; return it, and the ids."""

    def make(at: float) -> list[Json]:
        return [new_task("witness", witness.payload(), execute_at=at)] * TASKS

    return create_ahead(service.client, witness, make)
