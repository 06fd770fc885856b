"""API keys over HTTP: validity, scopes, rate limits and limits of pending tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from app.api.services import services_of
from app.config import read_settings
from app.ledger import keys as ledger
from tests.integration.api_calls import FUTURE, body, create, problem, run
from tests.integration.keys import PASSWORD, UNKNOWN, bearer, make_key, new_bearer

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine

CLOSED_PORT = "127.0.0.1:1"
TASK = {"type": "foo", "execute_at": FUTURE}


@pytest.fixture
def closed(client_with: Callable[..., FlaskClient]) -> Callable[..., FlaskClient]:
    """Make clients of applications that require keys."""
    return lambda **changed: client_with(**{"auth": "on", "secret_key": PASSWORD, "redis_timeout_s": 5.0} | changed)


def age(client: FlaskClient, seconds: float) -> None:
    """Let the caches of keys and pending tasks grow older."""
    services = services_of(client.application)
    parts: tuple[Any, ...] = (services.keys, services.pending)
    for part in parts:
        clock = part._clock
        part._clock = lambda clock=clock: clock() + seconds


def test_a_valid_key_is_accepted(closed: Callable[..., FlaskClient], engine: Engine) -> None:
    client = closed()
    assert client.get("/tasks", headers=new_bearer(engine, "read")).status_code == 200
    assert client.get("/tasks", headers={"Authorization": f"bEARER  {make_key(engine, 'read')[1]} "}).status_code == 200


@pytest.mark.parametrize(
    "sent",
    ["", "Bearer", "Bearer ", "Bearer x", f"Bearer {UNKNOWN}", f"Basic {UNKNOWN}", UNKNOWN,
     "Bearer " + "x" * 10_000, "Bearer \xff" * 50],
    ids=lambda sent: sent[:12],
)  # fmt: skip
def test_any_other_authorization_is_refused(closed: Callable[..., FlaskClient], engine: Engine, sent: str) -> None:
    new_bearer(engine, "admin")
    refused = closed().get("/tasks", headers={"Authorization": sent})
    problem(refused, 401, "unauthenticated")
    assert len(sent) < 20 or sent.removeprefix("Bearer ") not in refused.text


def test_two_keys_of_one_name_are_valid_at_the_same_time(closed: Callable[..., FlaskClient], engine: Engine) -> None:
    client, old, new = closed(), new_bearer(engine, "read"), new_bearer(engine, "read")
    assert [client.get("/tasks", headers=each).status_code for each in (old, new)] == [200, 200]


def test_a_revoked_key_is_refused_within_seconds(closed: Callable[..., FlaskClient], engine: Engine) -> None:
    client = closed()
    key, secret = make_key(engine, "read")
    assert client.get("/tasks", headers=bearer(secret)).status_code == 200
    assert ledger.revoke(engine, key.id).revoked_at == ledger.revoke(engine, key.id).revoked_at
    age(client, 2)
    problem(client.get("/tasks", headers=bearer(secret)), 401, "unauthenticated")


def test_a_key_expires_by_the_clock_of_postgres(closed: Callable[..., FlaskClient], engine: Engine) -> None:
    client = closed()
    key, secret = make_key(engine, "read", expires_in_s=3600)
    assert client.get("/tasks", headers=bearer(secret)).status_code == 200
    run(engine, "UPDATE api_keys SET expires_at = clock_timestamp() WHERE id = :id", id=key.id)
    age(client, 2)
    problem(client.get("/tasks", headers=bearer(secret)), 401, "unauthenticated")


def test_only_the_hash_of_a_key_is_stored(engine: Engine) -> None:
    key, secret = make_key(engine, "read")
    assert secret not in run(engine, "SELECT api_keys::text FROM api_keys WHERE id = :id", id=key.id)


def test_without_postgres_no_key_is_accepted(closed: Callable[..., FlaskClient]) -> None:
    client = closed(database_url=f"postgresql+psycopg://x:{PASSWORD[:8]}@{CLOSED_PORT}/x")
    problem(client.get("/tasks", headers=bearer(UNKNOWN)), 503, "ledger-away")
    problem(client.get("/rq/", headers=bearer(UNKNOWN)), 503, "ledger-away")
    problem(client.get("/tasks"), 401, "unauthenticated")
    assert client.get("/health").status_code == 200


def test_a_task_knows_the_key_that_created_it(closed: Callable[..., FlaskClient], engine: Engine) -> None:
    key, secret = make_key(engine, "write")
    made = body(closed().post("/tasks", json=TASK, headers=bearer(secret)))
    assert run(engine, "SELECT created_by FROM tasks WHERE id = :id", id=made["id"]) == key.id
    assert "created_by" not in made


def test_an_installation_without_keys_ignores_keys(client: FlaskClient, engine: Engine) -> None:
    _, secret = make_key(engine, "worker")
    made = body(client.post("/tasks", json=TASK, headers=bearer(secret)))
    assert run(engine, "SELECT created_by FROM tasks WHERE id = :id", id=made["id"]) is None


def test_the_pending_tasks_of_a_key_are_limited(closed: Callable[..., FlaskClient], engine: Engine) -> None:
    client, few, any_number = closed(), new_bearer(engine, "write", max_pending=2), new_bearer(engine, "write")
    made = [body(client.post("/tasks", json=TASK, headers=few)) for _ in range(2)]
    refused = client.post("/tasks", json=TASK, headers=few)
    assert problem(refused, 429, "too-many-pending") == {"pending": 2, "max_pending": 2}
    assert refused.headers["Retry-After"]
    assert client.post("/tasks", json=TASK, headers=any_number).status_code == 201
    assert client.delete(f"/tasks/{made[0]['id']}", headers=few).status_code == 200
    age(client, 2)
    assert client.post("/tasks", json=TASK, headers=few).status_code == 201
    age(client, 2)
    problem(client.post("/tasks", json=TASK, headers=few), 429, "too-many-pending")


def test_a_batch_beyond_the_pending_limit_of_a_key_creates_nothing(
    closed: Callable[..., FlaskClient], engine: Engine
) -> None:
    client, few = closed(), new_bearer(engine, "write", max_pending=2)
    refused = client.post("/tasks/batch", json={"tasks": [TASK] * 3}, headers=few)
    assert problem(refused, 429, "too-many-pending")["max_pending"] == 2
    assert client.post("/tasks/batch", json={"tasks": [TASK] * 2}, headers=few).status_code == 201
    assert run(engine, "SELECT count(*) FROM tasks") == 2


def minute_of(client: FlaskClient, at: float) -> None:
    """Stop the clock of the limits at this instant."""
    services_of(client.application).minutes._clock = lambda: at


def test_each_key_has_its_own_limit_of_requests(
    closed: Callable[..., FlaskClient], engine: Engine, harm: Redis
) -> None:
    client, mine, yours = closed(requests_per_minute=3), new_bearer(engine, "read"), new_bearer(engine, "read")
    minute_of(client, 6000.5)
    answers = [client.get("/tasks", headers=mine) for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["RateLimit"] for each in answers[:2]] == ['"minute";r=2;t=60', '"minute";r=1;t=60']
    assert answers[0].headers["RateLimit-Policy"] == '"minute";q=3;w=60'
    assert problem(answers[3], 429, "too-many-requests") == {"limit": 3, "retry_after_s": 60}
    assert answers[3].headers["Retry-After"] == "60"
    assert client.get("/tasks", headers=yours).status_code == 200
    assert client.get("/health", headers=mine).status_code == 200
    minute_of(client, 6060.0)
    assert client.get("/tasks", headers=mine).status_code == 200
    assert {key.partition(b"/")[0] for key in harm.scan_iter()} == {b"punctual:limits:key"}


def test_the_limit_is_shared_by_all_web_processes(closed: Callable[..., FlaskClient], engine: Engine) -> None:
    both, mine = [closed(requests_per_minute=2) for _ in range(2)], new_bearer(engine, "read")
    for each in both:
        minute_of(each, 6000.0)
        assert each.get("/tasks", headers=mine).status_code == 200
    problem(both[0].get("/tasks", headers=mine), 429, "too-many-requests")


def test_without_redis_each_process_limits_by_itself(
    closed: Callable[..., FlaskClient], engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    client, mine = (
        closed(requests_per_minute=2, redis_url=f"redis://:{PASSWORD[:8]}@{CLOSED_PORT}/0"),
        new_bearer(engine, "read"),
    )
    minute_of(client, 6000.0)
    assert [client.get("/tasks", headers=mine).status_code for _ in range(3)] == [200, 200, 429]
    assert capsys.readouterr().err.count("limits_in_memory") == 1


def test_limits_are_counted_in_redis_again_once_it_is_available(
    closed: Callable[..., FlaskClient], engine: Engine, harm: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    client, mine = closed(requests_per_minute=100), new_bearer(engine, "read")
    minutes = services_of(client.application).minutes
    minutes._failed_at = 5998.0
    minute_of(client, 5999.9)
    client.get("/tasks", headers=mine)
    assert not harm.keys("punctual:limits*")
    minute_of(client, 6000.0)
    client.get("/tasks", headers=mine)
    assert harm.keys("punctual:limits*")
    assert "limits_in_redis" in capsys.readouterr().err


def test_without_keys_a_limit_counts_by_address(client_with: Callable[..., FlaskClient]) -> None:
    client = client_with(requests_per_minute=1, redis_timeout_s=5.0)
    minute_of(client, 6000.0)
    mine, yours = ({"REMOTE_ADDR": address} for address in ("10.0.0.1", "10.0.0.2"))
    answers = [client.get("/tasks", environ_overrides=each).status_code for each in (mine, mine, yours)]
    assert answers == [200, 429, 200]


def test_without_a_limit_nothing_is_counted_in_redis_and_no_header_is_sent(client: FlaskClient, harm: Redis) -> None:
    created: dict[str, Any] = create(client)
    answer = client.get(f"/tasks/{created['id']}")
    assert "RateLimit" not in answer.headers
    assert not harm.keys("punctual:limits*")


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({"HOST": "127.0.0.1"}, False),
        ({"HOST": "localhost"}, False),
        ({"HOST": "::1"}, False),
        ({}, True),
        ({"HOST": "0.0.0.0"}, True),
        ({"HOST": "example.com"}, True),
        ({"HOST": "127.0.0.1", "APP_ENV": "production"}, True),
        ({"HOST": "127.0.0.1", "AUTH": "on"}, True),
        ({"APP_ENV": "production", "AUTH": "off"}, False),
    ],
)
def test_keys_are_needed_unless_only_this_machine_can_connect(given: dict[str, str], needed: bool) -> None:  # noqa: FBT001
    urls = {"DATABASE_URL": "postgres://h/n", "REDIS_URL": "redis://h"}
    assert read_settings(urls | given).demands_keys is needed
