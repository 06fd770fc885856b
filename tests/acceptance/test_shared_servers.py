"""Two installations, and another RQ application, share the servers: each runs its own tasks, all of them once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.acceptance.client import new_task
from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import ROOT
from tests.acceptance.stores import release

if TYPE_CHECKING:
    import pytest

    from tests.acceptance.conftest import NewService
    from tests.acceptance.service import Service
    from tests.acceptance.witness import Witness

BIN = Path(sys.executable).parent
NAME = "another"
TASKS = 40
TIMEOUT_S = 60


def test_each_of_two_installations_runs_its_own_tasks_and_lists_no_others(
    new_service: NewService, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = new_service(worker=1)
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_SCHEMA", NAME)
        release(one.database_url)
    shared = {"DATABASE_URL": one.database_url, "REDIS_URL": one.valkey.url}
    other = new_service(shared | {"DATABASE_SCHEMA": NAME, "REDIS_PREFIX": NAME}, worker=1)
    both = [(each, create(each, witness)) for each in (one, other)]
    for service, ids in both:
        done = service.client.wait_final(ids, timeout=30)
        [worker] = service.logged("worker_started", "worker")
        assert {each["state"] for each in done.values()} == {"succeeded"}
        assert {each["worker_id"] for each in done.values()} == {worker["worker_id"]}
        assert {each["id"] for each in service.client.list_all()} == set(ids)
    witness.assert_ran_once([each for _, ids in both for each in ids])
    with one.redis() as redis:
        assert {key.partition(b":")[0] for key in redis.scan_iter()} == {b"punctual", NAME.encode()}


def test_an_application_of_rq_and_rq_scheduler_runs_beside_a_service(
    new_service: NewService, witness: Witness, tmp_path: Path
) -> None:
    words = tmp_path / "words"
    service = new_service(worker=1)
    url = service.valkey.url
    with (
        running(str(BIN / "rqscheduler"), "--interval", "0.5", "--url", url),
        running(str(BIN / "rq"), "worker", "default", "--url", url),
    ):
        ids = create(service, witness)
        start(sys.executable, "-m", "tests.integration.another_application", url, str(words)).wait(TIMEOUT_S)
        service.client.wait_final(ids, timeout=30)
        wait_until(lambda: words.exists() and len(words.read_text().split()) == 3, TIMEOUT_S, "their jobs have run")
    assert sorted(words.read_text().split()) == ["enqueued", "periodic", "scheduled"]
    witness.assert_ran_once(ids)
    assert service.logged("job_refused", "worker") == service.logged("job_refused", "scheduler") == []
    with service.redis() as redis:
        assert (
            redis.zcard("rq:scheduler:scheduled_jobs") == 2
        )  # the job that is not due yet, and the next run of the periodic one
    for path in ("data/queues.json", "data/workers.json"):
        names = [each["name"] for each in service.client.request("GET", f"/rq/0/{path}").json()[path[5:-5]]]
        assert len(names) == 1, names


def create(service: Service, witness: Witness) -> list[str]:
    """Create tasks that are due now; return their ids."""
    return [each["id"] for each in service.client.create_many([new_task("witness", witness.payload())] * TASKS)]


def start(*command: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def running(*command: str) -> Iterator[None]:
    """Run a process of the other application."""
    process = start(*command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)
