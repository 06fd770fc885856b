"""The RQ dashboard at /rq: it shows every page, changes nothing and unpickles nothing."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from tests.integration.api_calls import body, problem
from tests.integration.foreign_jobs import RAW, push_raw

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from redis import Redis
    from rq.job import Job

    from app.config import Settings

PAGES = (
    "/rq/",
    "/rq/0/",
    "/rq/0/view",
    "/rq/0/view/queues",
    "/rq/0/view/workers",
    "/rq/0/view/jobs",
    "/rq/0/data/queues.json",
    "/rq/0/data/workers.json",
    "/rq/favicon.ico",
    "/rq/static/js/jquery-3.5.1.min.js",
)
REGISTRIES = ("queued", "started", "finished", "failed", "deferred", "scheduled", "canceled")
CHANGES = (
    ("POST", "/rq/job/x/delete"),
    ("POST", "/rq/job/x/requeue"),
    ("GET", "/rq/requeue/default"),
    ("HEAD", "/rq/requeue/default"),
    ("POST", "/rq/requeue/default"),
    ("POST", "/rq/queue/default/queued/empty"),
    ("POST", "/rq/queue/default/compact"),
)


@pytest.fixture
def jobs(redis: Redis) -> dict[str, Job]:
    """A finished, a failed, a running and a queued job, and the worker of the running one; by state."""
    queue = Queue("default", connection=redis, serializer=JSONSerializer)
    worker = SimpleWorker([queue], connection=redis, serializer=JSONSerializer, name="w1")
    made = {"finished": queue.enqueue("os.getcwd"), "failed": queue.enqueue("os.strerror", "not a number")}
    worker.register_birth()
    for job in made.values():
        queue.remove(job)
        worker.execute_job(job, queue)
    made["started"] = queue.enqueue("time.sleep", 1)
    queue.remove(made["started"])
    worker.prepare_execution(made["started"])
    worker.prepare_job_execution(made["started"])
    made["queued"] = queue.enqueue("os.getcwd", description="<img src=x onerror=alert(1)>")
    return made


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_shown(client: FlaskClient, jobs: dict[str, Job], path: str) -> None:
    assert client.get(path, follow_redirects=True, buffered=True).status_code == 200


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_list_is_shown(client: FlaskClient, jobs: dict[str, Job], registry: str) -> None:
    assert client.get(f"/rq/0/view/jobs/default/{registry}/8/asc/1").status_code == 200
    listed = body(client.get(f"/rq/0/data/jobs/default/{registry}/8/dsc/1.json"))["jobs"]
    assert [job["id"] for job in listed] == ([jobs[registry].id] if registry in jobs else [])


@pytest.mark.parametrize("state", ["finished", "failed", "started", "queued"])
def test_every_job_is_shown(client: FlaskClient, jobs: dict[str, Job], state: str) -> None:
    assert client.get(f"/rq/0/view/job/{jobs[state].id}").status_code == 200
    reply = body(client.get(f"/rq/0/data/job/{jobs[state].id}.json"))
    assert reply["status"] == state
    assert reply["result"] == (str(Path.cwd()) if state == "finished" else None)


def test_the_worker_is_shown_with_its_job(client: FlaskClient, jobs: dict[str, Job]) -> None:
    [worker] = body(client.get("/rq/0/data/workers.json"))["workers"]
    assert (worker["name"], worker["current_job"]["job_id"]) == ("w1", jobs["started"].id)


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_no_request_changes_redis(
    client: FlaskClient, harm: Redis, jobs: dict[str, Job], method: str, path: str
) -> None:
    before = {key: harm.dump(key) for key in harm.scan_iter()}
    answer = client.open(path.replace("/x/", f"/{jobs['failed'].id}/"), method=method)
    assert answer.status_code == 403
    if method != "HEAD":
        problem(answer, 403, "read-only")
    assert {key: harm.dump(key) for key in harm.scan_iter()} == before


@pytest.mark.parametrize(
    "path",
    [
        "/rq/1/view/queues",
        "/rq/99999999999/view/queues",
        "/rq/" + "9" * 6000 + "/view",
        "/rq/0/view/job/nope",
        "/rq/0/data/job/nope.json",
        "/rq/0/data/jobs/default/nope/8/asc/1.json",
        "/rq/0/data/jobs/default/queued/0/asc/1.json",
        "/rq/0/data/jobs/default/queued/x/asc/1.json",
        "/rq/0/data/jobs/default/queued/8/asc/0.json",
        "/rq/0/data/jobs/default/queued/8/asc/-1.json",
        "/rq/0/data/jobs/default/queued/8/up/1.json",
        "/rq/0/view/jobs/default/queued/99999/asc/1",
    ],
    ids=lambda path: path[:50],
)
def test_a_missing_page_is_a_404(client: FlaskClient, path: str) -> None:
    problem(client.get(path), 404, "not-found")


def test_a_page_says_that_it_shows_no_tasks(client: FlaskClient) -> None:
    assert "not tasks. For the states of tasks use GET /tasks" in client.get("/rq/").text


def test_the_address_and_password_of_redis_are_not_shown(client: FlaskClient, settings: Settings) -> None:
    password = urlsplit(settings.redis_url).password
    assert password
    for path in PAGES:
        text = client.get(path, follow_redirects=True, buffered=True).data.decode(errors="replace")
        assert password not in text
        assert "127.0.0.1" not in text


def test_scripts_run_with_a_nonce_only(client: FlaskClient) -> None:
    first, second = client.get("/rq/"), client.get("/rq/")
    policy = first.headers["Content-Security-Policy"]
    script = policy.partition("script-src")[2].partition(";")[0]
    [nonce] = re.findall(r'<script nonce="([^"]+)"', first.text)
    assert f"'nonce-{nonce}'" in script
    assert "'unsafe-inline'" not in script
    assert nonce not in second.text
    assert not re.findall(r"<script(?! name=| src=| nonce=)", first.text)


def test_a_pickle_is_not_loaded(client: FlaskClient, redis: Redis, jobs: dict[str, Job], tmp_path: Path) -> None:
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return os.mkdir, (trap,)

    redis.hset(jobs["started"].key, "data", pickle.dumps(Trap()))
    for path in (
        "/rq/0/data/workers.json",
        f"/rq/0/data/job/{jobs['started'].id}.json",
        f"/rq/0/view/job/{jobs['started'].id}",
    ):
        client.get(path)
    assert not trap.exists()


@pytest.mark.parametrize("name", RAW)
def test_every_page_is_shown_with_a_foreign_job(client: FlaskClient, redis: Redis, name: str, tmp_path: Path) -> None:
    job_id = push_raw(redis, name, canary=tmp_path / "sprung")
    for registry in ("wip", "failed", "finished", "deferred", "scheduled", "canceled"):
        redis.zadd(f"rq:{registry}:default", {job_id: 1})
    redis.sadd("rq:workers", "rq:worker:theirs")
    redis.hset("rq:worker:theirs", mapping={"current_job": job_id, "queues": "default", "state": "busy"})
    for path in (*PAGES, f"/rq/0/view/job/{job_id}", f"/rq/0/data/job/{job_id}.json"):
        answer = client.get(path, follow_redirects=True, buffered=True)
        assert answer.status_code == 200 or (answer.status_code == 404 and "/job/" in path), path
    for registry in REGISTRIES:
        assert client.get(f"/rq/0/view/jobs/default/{registry}/8/asc/1").status_code == 200
        assert client.get(f"/rq/0/data/jobs/default/{registry}/8/dsc/1.json").status_code == 200
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "key",
    ["rq:queues", "rq:queue:default", "rq:workers", "rq:failed:default", "rq:worker:theirs", "rq:results:bad fields"],
)
def test_every_page_is_shown_where_a_key_is_of_the_wrong_type(
    client: FlaskClient, redis: Redis, harm: Redis, key: str, tmp_path: Path
) -> None:
    push_raw(redis, "bad fields", canary=tmp_path / "sprung")
    redis.sadd("rq:workers", "rq:worker:theirs", "theirs", b"\xff")
    redis.sadd("rq:queues", "default", b"rq:queue:\xff", "rq:queue:", "rq:queue:a/b?c")
    harm.delete(f"punctual:{key}")
    harm.set(f"punctual:{key}", "x")
    for path in PAGES:
        assert client.get(path, follow_redirects=True, buffered=True).status_code == 200, path
    assert client.get("/rq/0/data/jobs/default/queued/8/asc/1.json").status_code == 200
    assert client.get("/rq/0/data/jobs/default/failed/8/asc/1.json").status_code == 200
