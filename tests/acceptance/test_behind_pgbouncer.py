"""The promises hold behind PgBouncer in transaction mode, with fewer connections than clients."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.acceptance.client import new_task, seconds
from tests.acceptance.conditions import sleep_until, wait_until
from tests.acceptance.load import create_ahead
from tests.acceptance.service import Service
from tests.pgbouncer import CONNECTIONS, clients, leads_to
from tests.restricted import ROLE, as_role

if TYPE_CHECKING:
    from local.server import Server
    from tests.acceptance.client import Client, Json
    from tests.acceptance.stores import Stores
    from tests.acceptance.witness import Witness

RUN, DELETED, OUTSIDE = 300, 60, 10
OVER_S = 5.0
KILLED_AFTER_S = 2.0
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = %s"


@pytest.fixture
def service(stores: Stores, bouncer: Server, tmp_path: Path) -> Iterator[Service]:
    """A service whose processes all use PgBouncer. Claims without an answer are resolved after twice the timeout."""
    with Service(stores, tmp_path / "service", {"DATABASE_TIMEOUT_S": "2"}) as made:
        through = {"DATABASE_URL": as_role(leads_to(bouncer, made.database_url))}
        made.environment_of = dict.fromkeys(("web", "promoter", "worker", "sweeper", "scheduler"), through)
        yield made.start(web=1, promoter=1, worker=2, sweeper=1, scheduler=1)


class OutsideWorker:
    """A worker that uses the HTTP API."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.done: list[str] = []

    def work(self) -> None:
        """Create tasks, claim them, and complete them."""
        self.client.create_many([new_task("outside")] * OUTSIDE)
        request = {"worker_id": "in-any-language", "type": "outside", "limit": OUTSIDE, "wait_s": 5}
        claimed = self.client.request("POST", "/tasks/claim", json=request)
        assert claimed.status_code == 200, claimed.text
        for lease in claimed.json()["tasks"]:
            result = {"claim_token": lease["claim_token"], "result": 1}
            completed = self.client.request("POST", f"/tasks/{lease['id']}/complete", json=result)
            assert completed.status_code == 200, completed.text
            self.done.append(lease["id"])


def test_every_promise_holds_on_four_shared_connections_that_break_under_load(
    service: Service, bouncer: Server, witness: Witness
) -> None:
    instants = [n * OVER_S / RUN for n in range(RUN)] + [(n + 0.5) * OVER_S / DELETED for n in range(DELETED)]

    def make(begin: float) -> list[Json]:
        return [new_task("witness", witness.payload(), execute_at=begin + each) for each in instants]

    begin, created = create_ahead(service.client, witness, make, batch=True)
    kept = created[:RUN]
    doomed = [(each, begin + at) for each, at in zip(created[RUN:], instants[RUN:], strict=True)]
    outside, over = OutsideWorker(service.client), threading.Event()
    with ThreadPoolExecutor(8) as pool, ExitStack() as stack:
        stack.callback(over.set)
        listing = pool.submit(list_until, over, service.client, set(kept))
        deleting = [pool.submit(delete_when_due, service.client, each) for each in doomed]
        outside.work()
        sleep_until(begin + KILLED_AFTER_S)
        bouncer.process.kill()
        bouncer.restart()
        wait_until(lambda: service.client.is_ready(service.url), 10, "the service has connections again")
        outside.work()
        answers = dict(each.result() for each in deleting)
        done = service.client.wait_final([*kept, *answers], timeout=30, type="witness")
        over.set()
        assert listing.result() >= 10, "lists are answered throughout"
    assert {(done[each]["state"], done[each]["attempt"]) for each in kept} == {("succeeded", 1)}
    assert_deleted_is_deleted(done, answers)
    witness.assert_ran_once([each for each, task in done.items() if task["state"] != "deleted"])
    due = {each: seconds(task["execute_at"]) for each, task in done.items()}
    assert all(each.at >= due[each.task_id] for each in witness.sights()), "none early"
    assert len(outside.done) == 2 * OUTSIDE
    assert_shared(service, bouncer)


def list_until(over: threading.Event, client: Client, wanted: set[str]) -> int:
    """Return the number of lists that were answered. Each shows every task once while tasks change their state."""
    answered = 0
    query = {"type": "witness", "state": "scheduled,running,succeeded,failed", "limit": "1000"}
    while not over.wait(0.05):
        answer = client.request("GET", "/tasks", params=query)
        if answer.status_code == 503:
            continue
        assert answer.status_code == 200, answer.text
        listed = Counter(each["id"] for each in answer.json()["tasks"])
        assert {each for each, times in listed.items() if times == 1} >= wanted
        answered += 1
    return answered


def delete_when_due(client: Client, doomed: tuple[str, float]) -> tuple[str, int]:
    """Delete a task shortly before or after its claim, at random."""
    task_id, at = doomed
    sleep_until(at + random.uniform(-0.01, 0.02))
    return task_id, client.delete(task_id)


def assert_deleted_is_deleted(done: dict[str, Json], answers: dict[str, int]) -> None:
    """Assert that answers and final states agree; without an answer (503), either outcome is possible."""
    expected = {200: {"deleted"}, 409: {"succeeded"}, 503: {"deleted", "succeeded"}}
    assert {200, 409} <= set(answers.values()), "both deletions and claims win some races"
    for task_id, status in answers.items():
        assert done[task_id]["state"] in expected[status], (status, done[task_id])


def assert_shared(service: Service, bouncer: Server) -> None:
    """Assert that Postgres has at most four connections, and PgBouncer more clients than that."""
    with psycopg.connect(service.database_url) as connection:
        row = connection.execute(OPEN, [ROLE]).fetchone()
    assert row
    assert 0 < row[0] <= CONNECTIONS < clients(bouncer, service.database_url)
