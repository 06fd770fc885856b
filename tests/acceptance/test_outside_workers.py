"""Outside workers: our workers never run their tasks, and a task whose lease expires gets `worker_lost`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from app.broker.rq.jobs import Delivery, push, queue
from tests.acceptance.client import new_task, seconds
from tests.acceptance.conditions import wait_until
from tests.patience import patience

if TYPE_CHECKING:
    import requests

    from tests.acceptance.client import Json
    from tests.acceptance.service import Service

TYPE = "outside"
WORKER_ID = "worker-in-any-language"


class OutsideWorker:
    """The calls of an outside worker."""

    def __init__(self, service: Service) -> None:
        self.client = service.client

    def create(self, **fields: Any) -> str:
        """Create a task for outside workers; return its id."""
        return str(self.client.create(TYPE, {"n": 1}, **fields)["id"])

    def claim(self, **options: Any) -> requests.Response:
        """Claim tasks that are due."""
        return self.client.request("POST", "/tasks/claim", json={"worker_id": WORKER_ID, "type": TYPE, **options})

    def claim_in_time(self) -> requests.Response:
        """Wait for a task that is due soon, and claim it."""
        answers: list[requests.Response] = []

        def claimed() -> bool:
            answers.append(self.claim(wait_s=10))
            return answers[-1].status_code == 200

        wait_until(claimed, 10, "a task is claimed")
        return answers[-1]

    def claim_one(self, task_id: str) -> requests.Response:
        """Claim this task."""
        return self.client.request("POST", f"/tasks/{task_id}/claim", json={"worker_id": WORKER_ID})

    def report(self, lease: Json, act: str, **more: Any) -> requests.Response:
        """Send a heartbeat, complete, fail or release."""
        body = {"claim_token": lease["claim_token"], **more}
        return self.client.request("POST", f"/tasks/{lease['id']}/{act}", json=body)


@pytest.fixture
def outside(service: Service) -> Iterator[OutsideWorker]:
    """An outside worker; tasks that a test leaves behind are deleted, so that no later test claims them."""
    yield OutsideWorker(service)
    for each in service.client.list_all(state="scheduled", type=TYPE):
        service.client.delete(each["id"])


def test_our_workers_never_run_a_task_for_outside_workers(service: Service, outside: OutsideWorker) -> None:
    ids = [outside.create() for _ in range(5)]
    with service.broker() as redis:
        push(queue("default", redis), [Delivery(TYPE, ids), Delivery("noop", ids)])
        ours = service.client.create("noop")["id"]
        service.client.wait_final([ours], timeout=10, type="noop")
        wait_until(lambda: queue("default", redis).is_empty(), 10, "the deliveries are taken")
        ours = service.client.create("noop")["id"]
        service.client.wait_final([ours], timeout=10, type="noop")
    for each in ids:
        task = service.client.get(each)
        assert (task["state"], task["attempt"], task["worker_id"]) == ("scheduled", 0, None)


def test_a_task_is_claimed_kept_by_a_heartbeat_and_completed(outside: OutsideWorker) -> None:
    task_id = outside.create()
    claimed = outside.claim()
    assert claimed.status_code == 200, claimed.text
    lease = claimed.json()
    assert (lease["id"], lease["state"], lease["attempt"], lease["worker_id"]) == (task_id, "running", 1, WORKER_ID)
    kept = outside.report(lease, "heartbeat")
    assert (kept.status_code, kept.json()["cancel_requested"]) == (200, False)
    assert seconds(kept.json()["lease_expires_at"]) >= seconds(lease["lease_expires_at"])
    done = outside.report(lease, "complete", result={"answer": [42, "ü", None]})
    assert (done.status_code, done.json()["state"]) == (200, "succeeded")
    assert outside.client.get(task_id)["result"] == {"answer": [42, "ü", None]}
    again = outside.report(lease, "complete", result="for an answer that was lost")
    assert (again.status_code, again.json()) == (200, done.json()), "a repetition changes nothing"
    outside.report(lease, "fail", error="too late")
    assert outside.client.get(task_id) == done.json()
    assert_lost(outside.report(lease, "heartbeat"))
    assert_lost(outside.report(lease, "release"))
    assert outside.claim().status_code == 204


def test_a_failed_task_is_retried_until_no_attempt_is_left(outside: OutsideWorker) -> None:
    task_id = outside.create(max_attempts=2)
    first = outside.claim().json()
    failed = outside.report(first, "fail", error="no luck")
    assert (failed.status_code, failed.json()["state"]) == (200, "scheduled")
    second = outside.claim_in_time().json()
    assert (second["id"], second["attempt"]) == (task_id, 2)
    assert second["claim_token"] != first["claim_token"]
    assert_lost(outside.report(first, "complete", result=1))
    outside.report(second, "fail", error={"type": "no_luck", "message": "again"})
    done = outside.client.get(task_id)
    assert (done["state"], done["attempt"]) == ("failed", 2)
    assert (done["error"]["message"], done["error"]["attempt"]) == ("again", 2)


def test_a_released_task_is_as_it_was_before_the_claim(outside: OutsideWorker) -> None:
    task_id = outside.create()
    lease = outside.claim_one(task_id).json()
    released = outside.report(lease, "release").json()
    assert (released["state"], released["attempt"], released["started_at"]) == ("scheduled", 0, None)
    assert_lost(outside.report(lease, "complete", result=None))
    assert outside.claim().json()["id"] == task_id


def test_a_task_whose_lease_expires_gets_worker_lost_and_its_late_result_is_refused(outside: OutsideWorker) -> None:
    task_id = outside.create(timeout_s=0.5)
    again_id = outside.create(timeout_s=0.5, max_attempts=2)
    leases = {each["id"]: each for each in outside.claim(limit=10).json()["tasks"]}
    assert leases.keys() == {task_id, again_id}
    lease = leases[task_id]
    assert seconds(lease["lease_expires_at"]) - seconds(lease["started_at"]) == pytest.approx(1, abs=patience(0.1))
    lost = outside.client.get(task_id, wait_s=20)
    assert seconds(lost["finished_at"]) > seconds(lease["lease_expires_at"])
    assert (lost["state"], lost["error"]["type"], lost["attempt"]) == ("failed", "worker_lost", 1)
    assert lost["result"] is None
    assert_lost(outside.report(lease, "complete", result="later"))
    second = outside.claim_in_time().json()
    assert (second["id"], second["attempt"]) == (again_id, 2)
    assert_lost(outside.report(leases[again_id], "complete", result="later"))
    assert outside.report(second, "complete", result="in time").status_code == 200


def test_heartbeats_keep_a_claim_beyond_its_first_lease(outside: OutsideWorker) -> None:
    task_id = outside.create(timeout_s=patience(0.5))
    lease = outside.claim().json()
    until = seconds(lease["lease_expires_at"]) + 3
    wait_until(lambda: outside.report(lease, "heartbeat").status_code != 200 or time.time() > until, 60, "time passes")
    assert outside.report(lease, "complete", result=1).status_code == 200
    assert outside.client.get(task_id)["state"] == "succeeded"


def test_concurrent_claims_never_get_the_same_task(outside: OutsideWorker) -> None:
    created = outside.client.create_many([new_task(TYPE)] * 120)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: outside.claim(limit=3) if n % 2 else outside.claim(), range(120)))
    leases = [
        each for answer in answers if answer.status_code == 200 for each in answer.json().get("tasks", [answer.json()])
    ]
    assert sorted(each["id"] for each in leases) == sorted(each["id"] for each in created)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda lease: outside.report(lease, "complete", result=lease["id"]).status_code, leases))
    assert set(codes) == {200}


def test_a_claim_that_waits_gets_the_task_when_it_is_due_and_not_before(outside: OutsideWorker) -> None:
    task_id = outside.create(delay_s=patience(2))
    assert outside.claim().status_code == 204
    refused = outside.claim_one(task_id)
    assert (refused.status_code, refused.json()["details"]["state"]) == (409, "scheduled")
    lease = outside.claim_in_time().json()
    assert lease["id"] == task_id
    assert 0 <= lease["lag_ms"] < patience(8000)
    assert outside.claim_one(task_id).status_code == 409
    assert outside.report(lease, "complete").status_code == 200


def test_a_task_that_our_own_workers_run_cannot_be_claimed(service: Service, outside: OutsideWorker) -> None:
    ours = service.client.create("noop", delay_s=3600)["id"]
    assert outside.claim_one(ours).status_code == 409
    assert outside.claim(type="noop").status_code == 422
    assert service.client.delete(ours) == 200
    assert outside.claim_one(ours).status_code == 404


def assert_lost(answer: requests.Response) -> None:
    """Assert that the request was refused because the claim is lost."""
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/claim-lost")
