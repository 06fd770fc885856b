"""GET /health, GET /ready, and the API while a server is unavailable."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from app import liveness
from app.api.resources.health import ask_redis
from app.api.services import services_of
from app.api.single_flight import NO_ANSWER, Check, ask_all
from app.ledger import workers
from app.ledger.server import needed_version
from app.liveness import LoopState
from tests.integration.api_calls import FUTURE, PAST, body, create, problem

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine

CLOSED_PORT = "127.0.0.1:1"


URLS = {
    "database_url": f"postgresql+psycopg://x:secret@{CLOSED_PORT}/x",
    "redis_url": f"redis://:secret@{CLOSED_PORT}/0",
}


@pytest.fixture
def client_without(client_with: Callable[..., FlaskClient]) -> Callable[[str], FlaskClient]:
    """Make a client of an application for which one server is unavailable."""
    return lambda server: client_with(**{f"{server}_url": URLS[f"{server}_url"]})


def test_a_live_process_is_alive(client: FlaskClient) -> None:
    assert body(client.get("/health")) == {"status": "alive"}


def test_a_process_with_both_servers_is_ready(client: FlaskClient) -> None:
    assert body(client.get("/ready")) == {
        "status": "ready",
        "checks": {"postgres": "ok", "redis": "ok"},
        "warnings": [],
    }


def test_a_process_that_is_stopping_is_alive_but_not_ready(client_with: Callable[..., FlaskClient]) -> None:
    client = client_with()
    services_of(client.application).stopping.set()
    assert client.get("/health").status_code == 200
    assert problem(client.get("/ready"), 503, "not-ready") == {"process": "is stopping"}


def test_without_postgres_the_process_is_alive_but_not_ready(client_without: Callable[[str], FlaskClient]) -> None:
    client = client_without("database")
    assert client.get("/health").status_code == 200
    answer = client.get("/ready")
    assert problem(answer, 503, "not-ready") == {"postgres": "does not answer"}
    assert answer.headers["Retry-After"]
    assert "secret" not in answer.text


def test_without_redis_the_process_is_not_ready(client_without: Callable[[str], FlaskClient]) -> None:
    answer = client_without("redis").get("/ready")
    assert problem(answer, 503, "not-ready") == {"redis": "ConnectionError"}
    assert CLOSED_PORT not in answer.text


def test_with_an_older_schema_the_process_is_not_ready(client: FlaskClient, owner: Engine) -> None:
    with owner.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        try:
            details = problem(client.get("/ready"), 503, "not-ready")
        finally:
            connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": needed_version()})
    assert details == {"postgres": "the schema is behind the code: run the migrations"}


def test_with_a_newer_schema_the_process_is_ready_with_a_warning(client: FlaskClient, owner: Engine) -> None:
    with owner.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        try:
            reply = body(client.get("/ready"))
        finally:
            connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": needed_version()})
    assert (reply["status"], reply["warnings"]) == ("ready", ["postgres: the schema is newer than this code"])


def test_without_any_migration_the_process_is_not_ready(client: FlaskClient, owner: Engine) -> None:
    with owner.connect() as connection:
        connection.execute(text("ALTER TABLE alembic_version RENAME TO elsewhere"))
        try:
            problem(client.get("/ready"), 503, "not-ready")
        finally:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO alembic_version"))


def test_with_a_redis_that_may_evict_keys_the_process_is_ready_with_a_warning(
    client: FlaskClient, redis: Redis, harm: Redis
) -> None:
    harm.config_set("maxmemory-policy", "allkeys-lru")
    try:
        reply = body(client.get("/ready"))
        assert ask_redis(redis) == "ok, but maxmemory-policy is allkeys-lru, not noeviction"
    finally:
        harm.config_set("maxmemory-policy", "noeviction")
    assert reply["status"] == "ready"
    assert reply["warnings"] == ["redis: maxmemory-policy is allkeys-lru, not noeviction"]


def test_a_frozen_server_is_queried_once_and_not_waited_for() -> None:
    thawed, calls = threading.Event(), []
    check = Check("frozen", lambda: calls.append(1) or str(thawed.wait(10)))  # type: ignore[func-returns-value]
    assert [ask_all([check], limit_s=0.01) for _ in range(3)] == [{"frozen": NO_ANSWER}] * 3
    assert calls == [1]
    thawed.set()
    check.begin().result(timeout=10)


def test_without_postgres_requests_are_answered_503_with_retry_after(
    client_without: Callable[[str], FlaskClient],
) -> None:
    client = client_without("database")
    for answer in (
        client.post("/tasks", json={"type": "foo", "execute_at": PAST}),
        client.get("/tasks"),
        client.get("/tasks/next"),
        client.get("/types"),
        client.delete("/tasks/01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11"),
        client.post("/tasks/claim", json={"worker_id": "w"}),
    ):
        problem(answer, 503, "ledger-away")
        assert int(answer.headers["Retry-After"]) > 0
        assert "secret" not in answer.text


def test_without_redis_tasks_are_created_listed_shown_and_deleted(client_without: Callable[[str], FlaskClient]) -> None:
    client = client_without("redis")
    task = create(client, execute_at=PAST)
    create(client, execute_at=FUTURE)
    assert body(client.get("/tasks"))["count"] == 2
    assert client.get(f"/tasks/{task['id']}").status_code == 200
    assert body(client.delete(f"/tasks/{task['id']}"))["state"] == "deleted"
    problem(client.get("/rq/0/data/queues.json"), 503, "redis-away")


def test_a_warning_says_that_no_worker_can_run_tasks(client: FlaskClient, engine: Engine) -> None:
    for number, trouble in enumerate(
        ["no child can be started: cannot fork", None, "claimer has made no step for 12 s"]
    ):
        workers.heartbeat(engine, f"w.{number}", queue="default", slots=4, trouble=trouble)
    assert body(client.get("/ready"))["warnings"] == []
    workers.retire(engine, "w.1")
    assert body(client.get("/ready"))["warnings"] == [
        "workers: none can run all tasks: no child can be started: cannot fork"
    ]


def test_a_process_whose_threads_are_stuck_is_not_ready(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = LoopState("creator")
    stuck._passed_at = stuck._well_at = stuck._well_at - 20
    monkeypatch.setattr(liveness, "_loops", [stuck])
    assert problem(client.get("/ready"), 503, "not-ready") == {"process": "creator has made no step for 20 s"}
