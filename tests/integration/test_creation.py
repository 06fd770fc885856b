"""The fast path of `POST /tasks` answers like the slow path through Flask, which answers all unusual requests."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings as trying, strategies as st

from app.api.application import RESOURCES
from app.api.bodies import Bodies
from app.api.fast_path import FastPath
from app.api.openapi.resource import BodyLimits
from app.api.server import Server
from app.api.services import services_of
from app.broker.keys import due_key
from app.errors import InvalidInput, LedgerUnavailable
from tests.integration.api_calls import FUTURE, run
from tests.integration.conftest import drain_due_set_writer
from tests.integration.keys import PASSWORD, bearer, make_key
from tests.rsgi import Answer, Protocol, scope

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine

TASK = {"type": "foo", "execute_at": FUTURE}
OWN = re.compile(rb"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def bodies(app: Flask) -> Bodies:
    return Bodies(BodyLimits(app, RESOURCES))


class BothPaths:
    """Sends the same request on both paths."""

    def __init__(self, app: Flask) -> None:
        self.operations = services_of(app).operations
        self.fast = Server(app, threading.Event(), bodies(app), fast_path=FastPath(app))
        self._slow = Server(app, threading.Event(), bodies(app))

    def ask(self, server: Server, body: bytes, headers: Mapping[str, str], method: str = "POST") -> Answer:
        protocol = Protocol(body)
        given = {"host": "x", "content-type": "application/json", "content-length": str(len(body)), **headers}
        asyncio.run(server.__rsgi__(scope(given.items(), method), protocol))
        return protocol.answer

    def both(
        self, body: bytes, headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> tuple[Answer, Answer]:
        return (
            self.ask(self.fast, body, headers or {}, method),
            self.ask(self._slow, body, headers or {}, method),
        )


@pytest.fixture
def paths(client: FlaskClient) -> BothPaths:
    return BothPaths(client.application)


def plain(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """Return the answer without ids and instants."""
    status, headers, body = answer
    named = {name.lower(): OWN.sub(b"?", value.encode()).decode() for name, value in headers}
    named.pop("content-length", None)  # the web server adds it if it is missing
    return status, named, OWN.sub(b"?", body)


@pytest.mark.parametrize(
    "task",
    [
        TASK,
        {"type": "FOO", "delay_s": 0},
        {"type": "buzz", "delay_s": 1.5, "timeout_s": 7, "max_attempts": 3.0},
        {"type": "noop", "execute_at": "2100-01-01T00:00:00.000001+01:00", "payload": {"a": [1, "é", None, 1e300]}},
        {"type": "outside", "execute_at": "1999-01-01T00:00:00z"},
    ],
    ids=lambda task: str(task["type"]),
)
@pytest.mark.parametrize("headers", [{}, {"X-Request-ID": "mine"}, {"X-Forwarded-Proto": "https", "Via": "1.1 x"}])
def test_a_plain_request_has_the_same_answer_on_both_paths(
    paths: BothPaths, task: dict[str, Any], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast, slow = paths.both(json.dumps(task).encode(), headers)
    assert plain(fast) == plain(slow)
    assert fast[0] == 201
    monkeypatch.setattr(Server, "_answer_in_thread", None)
    again, _ = paths.ask(paths.fast, json.dumps(task).encode(), headers), None
    assert again[0] == 201, "it took the fast path"


@pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=-5", "bytes=5-", "bytes=999999999-", "nonsense"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ranges_of_files_are_answered(client: FlaskClient, wanted: str, method: str) -> None:
    app, protocol = client.application, Protocol(b"")
    server = Server(app, threading.Event(), bodies(app))
    headers = {"host": "x", "range": wanted}
    asyncio.run(server.__rsgi__(scope(headers.items(), method, "/static/docs.js"), protocol))
    assert protocol.answer[0] in {200, 206, 416}


def test_a_created_task_is_stored_and_added_to_the_due_set(
    paths: BothPaths, web: Flask, engine: Engine, redis: Redis
) -> None:
    (_, headers, body), _ = paths.both(b'{"type": "foo", "delay_s": 10}')
    made = json.loads(body)
    assert UUID(made["id"]).version == 7
    assert dict(headers)["Location"] == f"/tasks/{made['id']}"
    assert run(engine, "SELECT state FROM tasks WHERE id = :id", id=made["id"]) == "scheduled"
    drain_due_set_writer(web)
    assert redis.zscore(due_key("foo"), made["id"])


UNUSUAL: list[tuple[bytes, dict[str, str]]] = [
    (b"", {}),
    (b"{", {}),
    (b"[]", {}),
    (b'{"type": "foo", "type": "foo", "delay_s": 1}', {}),
    (b'{"type": "foo", "delay_s": NaN}', {}),
    (b'{"type": "foo", "delay_s": 1, "extra": 1}', {}),
    (b'{"type": "foo", "delay_s": 1, "payload": {"a": "\\u0000"}}', {}),
    (b'{"type": "nothing", "delay_s": 1}', {}),
    (b'{"type": "foo"}', {}),
    (b'{"kind": "foo", "time": "2100-01-01T00:00:00Z"}', {}),
    (b'{"type": "foo", "delay_s": 1}', {"content-type": "text/plain"}),
    (b'{"type": "foo", "delay_s": 1}', {"content-type": "application/json; charset=utf-8"}),
    (b'{"type": "foo", "delay_s": 1}', {"content-encoding": "gzip"}),
    (b'{"type": "foo", "delay_s": 1}', {"x-request-id": "not one\tword"}),
    (b'{"type": "foo", "delay_s": 1}', {"x-http-method-override": "DELETE"}),
    (b'{"type": "foo", "delay_s": 1}', {"content-length": "999"}),
    (b'{"type": "foo", "delay_s": 1}', {"content-length": "-1"}),
    (b'{"type": "foo", "delay_s": 1}', {"content-length": "99999999"}),
]


@pytest.mark.parametrize(("body", "headers"), UNUSUAL)
def test_an_unusual_request_has_the_same_answer_on_both_paths(
    paths: BothPaths, body: bytes, headers: dict[str, str]
) -> None:
    fast, slow = paths.both(body, headers)
    assert plain(fast) == plain(slow)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
ODD = st.one_of(JSON_VALUES, st.sampled_from(["foo", "noop", FUTURE, "2100-01-01T00:00:00", 0, 1, 5.5, "", {"a": 1}]))
FIELDS = ["type", "execute_at", "delay_s", "payload", "timeout_s", "max_attempts", "kind", "time", "x"]


@trying(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(task=st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=6), start=st.sampled_from([{}, TASK]))
def test_both_paths_agree_on_every_body(paths: BothPaths, task: dict[str, Any], start: dict[str, Any]) -> None:
    fast, slow = paths.both(json.dumps({**start, **task}).encode())
    assert plain(fast) == plain(slow)


@pytest.mark.parametrize("error", [LedgerUnavailable(), InvalidInput("No."), RuntimeError("a bug")])
def test_an_error_during_creation_is_answered_once_and_not_retried(
    paths: BothPaths, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    attempts = []

    def fail(new: Any) -> None:
        attempts.append(new)
        raise error

    monkeypatch.setattr(paths.operations, "create", fail)
    status, headers, body = paths.ask(paths.fast, json.dumps(TASK).encode(), {})
    expected = {"LedgerUnavailable": 503, "InvalidInput": 422}.get(type(error).__name__, 500)
    assert (status, len(attempts)) == (expected, 1)
    assert dict(headers)["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert run(engine, "SELECT count(*) FROM tasks") == 0


@pytest.fixture
def closed(client_with: Callable[..., FlaskClient]) -> Flask:
    """An application that requires keys."""
    return client_with(auth="on", secret_key=PASSWORD).application


@pytest.mark.parametrize("key_scope", ["write", "admin", "read", "worker"])
def test_a_key_has_the_same_effect_on_both_paths(closed: Flask, engine: Engine, key_scope: str) -> None:
    key, secret = make_key(engine, key_scope)
    paths = BothPaths(closed)
    for _ in range(2):  # the first request loads the key
        fast, slow = paths.both(json.dumps(TASK).encode(), bearer(secret))
        assert plain(fast) == plain(slow)
        assert fast[0] == (201 if key_scope in {"write", "admin"} else 403)
    assert {run(engine, "SELECT created_by FROM tasks LIMIT 1")} <= {key.id, None}
    for wrong in ({}, bearer("x"), {"Authorization": "Basic eA=="}, bearer(secret[:-1] + "!")):
        fast, slow = paths.both(json.dumps(TASK).encode(), wrong)
        assert plain(fast) == plain(slow)
        assert fast[0] == 401


def test_a_key_cached_too_long_is_checked_by_the_slow_path(closed: Flask, engine: Engine) -> None:
    key, secret = make_key(engine, "write")
    paths = BothPaths(closed)
    assert paths.both(json.dumps(TASK).encode(), bearer(secret))[0][0] == 201
    run(engine, "UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = :id", id=key.id)
    services_of(closed).keys._loaded_at -= 2
    assert paths.both(json.dumps(TASK).encode(), bearer(secret))[0][0] == 401


def test_the_pending_limit_of_a_key_is_enforced_on_both_paths(closed: Flask, engine: Engine) -> None:
    _, secret = make_key(engine, "write", max_pending=1)
    paths = BothPaths(closed)
    fast, slow = paths.both(json.dumps(TASK).encode(), bearer(secret))
    assert (fast[0], slow[0]) == (201, 429)


def test_rate_limited_requests_take_the_slow_path(client_with: Callable[..., FlaskClient]) -> None:
    paths = BothPaths(client_with(requests_per_minute=1).application)
    fast, slow = paths.both(json.dumps(TASK).encode())
    assert (fast[0], slow[0]) == (201, 429)


def test_concurrent_creations_share_batches(paths: BothPaths, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    operations = paths.operations
    create = operations.create

    def counted(new: Any) -> Any:
        sizes.append(len(new))
        return create(new)

    monkeypatch.setattr(operations, "create", counted)

    async def ask() -> None:
        body = json.dumps(TASK).encode()
        headers = {"host": "x", "content-type": "application/json", "content-length": str(len(body))}
        request = scope(headers.items())
        await asyncio.gather(*(paths.fast.__rsgi__(request, Protocol(body)) for _ in range(100)))

    asyncio.run(ask())
    assert sum(sizes) == 100
    assert len(sizes) <= 3, sizes
    assert run(engine, "SELECT count(*) FROM tasks") == 100
