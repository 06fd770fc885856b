"""An application that uses RQ and rq-scheduler in the same Redis under their usual keys is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.broker.contents import Contents
from app.broker.corrupt_keys import drop_corrupt_keys
from app.broker.rq.jobs import queue
from app.counter_buffer import CounterBuffer
from tests.integration.api_calls import body
from tests.integration.receiving import work
from tests.making import ids, make
from workers.housekeeping import Housekeeping
from workers.promoter import Promoter

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine

    from app.broker.due_set import DueSet
    from app.operations import Operations
    from app.task_types import TaskTypes

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PATIENCE_S = 60


@pytest.fixture
def their_file(owners: dict[str, str], redis: Redis, tmp_path: Path) -> Path:
    """The file that their jobs write to. One job is enqueued; of three on rq-scheduler's list two are due."""
    file = tmp_path / "words"
    run([sys.executable, "-m", "tests.integration.another_application", owners["REDIS_URL"], str(file)])
    return file


def run(command: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, check=True, cwd=ROOT, env=environment, timeout=PATIENCE_S, capture_output=True)


def they_work(url: str) -> None:
    """Run the real rq-scheduler and RQ worker on their jobs until none is left."""
    run([str(BIN / "rqscheduler"), "--burst", "--url", url])
    run([str(BIN / "rq"), "worker", "default", "--burst", "--url", url])


def theirs(harm: Redis) -> dict[bytes, bytes | None]:
    """Return all keys without our prefix, with their values."""
    return {key: harm.dump(key) for key in harm.scan_iter() if not key.startswith(b"punctual:")}


def test_their_jobs_are_not_run_removed_or_shown_and_still_run(  # noqa: PLR0917  # fixtures
    their_file: Path, owners: dict[str, str], harm: Redis, redis: Redis, engine: Engine, types: TaskTypes,
    operations: Operations, client: FlaskClient,
) -> None:  # fmt: skip
    before = theirs(harm)
    assert len(before) > 5
    made, counters = make(operations), CounterBuffer(engine)
    received, refused = list[tuple[str, list[str]]](), list[int]()
    Promoter(engine, redis, types).step()
    Housekeeping(redis, queue_name="default", refused=lambda: refused.append(1)).step()
    assert drop_corrupt_keys(redis, types=types.names, queues=["default"]) == []
    jobs = body(client.get("/rq/0/data/jobs/default/queued/8/asc/1.json"))["jobs"]
    assert [each["description"] for each in jobs] == ["noop x 1", "purge_final_tasks()", "purge_lost_workers()"]
    assert [each["count"] for each in body(client.get("/rq/0/data/queues.json"))["queues"]] == [3]
    for each in before:
        job_id = each.decode().removeprefix("rq:job:")
        assert client.get(f"/rq/0/data/job/{job_id}.json").status_code == 404
    assert Contents(redis).depths(types.names, ["default"]).rq_queues == {"default": 3}
    queue("default", redis).remove("chore-purge_final_tasks")
    queue("default", redis).remove("chore-purge_lost_workers")
    work(redis, counters, received).run_maintenance_tasks()
    assert received == [("noop", ids(made))]
    assert (counters.pending(), refused) == ({}, [])
    assert theirs(harm) == before
    assert not their_file.exists()
    they_work(owners["REDIS_URL"])
    assert sorted(their_file.read_text().split()) == ["enqueued", "periodic", "scheduled"]
    assert (
        harm.zcard("rq:scheduler:scheduled_jobs") == 2
    )  # the job that is not due, and the next run of the periodic one


def test_their_worker_runs_no_job_of_ours(  # noqa: PLR0917  # fixtures
    their_file: Path, owners: dict[str, str], redis: Redis, engine: Engine, types: TaskTypes, operations: Operations,
    due_set: DueSet,
) -> None:  # fmt: skip
    made, received = make(operations), list[tuple[str, list[str]]]()
    Promoter(engine, redis, types).step()
    they_work(owners["REDIS_URL"])
    assert sorted(their_file.read_text().split()) == ["enqueued", "periodic", "scheduled"]
    assert due_set.sizes(["noop"]) == (0, 1)
    work(redis, CounterBuffer(engine), received)
    assert received == [("noop", ids(made))]
