"""The endpoint decides how large a body may be, before the body is received. An alias has the limit of its path."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from app.api.application import RESOURCES
from app.api.bodies import MAX_BUFFERED_BYTES, Bodies
from app.api.openapi.resource import BodyLimits
from app.api.reading.aliases import PATHS
from app.api.server import Server
from tests.integration.api_calls import FUTURE, UNKNOWN_ID, run
from tests.rsgi import Protocol, scope

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

MEGABYTE = 1 << 20


def send(app: Flask, method: str, path: str, body: bytes, **headers: str) -> Protocol:
    """Send a request as the web server does."""
    server = Server(app, threading.Event(), Bodies(BodyLimits(app, RESOURCES)))
    protocol = Protocol(*(body[begin : begin + 65_536] for begin in range(0, len(body), 65_536)))
    length = {} if "transfer_encoding" in headers else {"content_length": str(len(body))}
    given = {"content_type": "application/json"} | length | headers
    pairs = [(name.replace("_", "-"), value) for name, value in given.items()]
    asyncio.run(server.__rsgi__(scope(pairs, method, path, authority="x"), protocol))
    return protocol


def batch(size: int) -> bytes:
    """Return a batch of about `size` bytes."""
    task = {"type": "foo", "execute_at": FUTURE, "payload": {"text": "x" * 60_000}}
    return json.dumps({"tasks": [task] * (size // 60_100 + 1)}).encode()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/tasks/batch", "/task/batch"])
def test_a_batch_of_a_megabyte_is_accepted_at_its_path_and_at_its_alias(
    client: FlaskClient,
    engine: Engine,
    path: str,
    chunked: bool,  # noqa: FBT001
) -> None:
    body = batch(MEGABYTE)
    assert len(body) > MEGABYTE
    sent = send(client.application, "POST", path, body, **({"transfer_encoding": "chunked"} if chunked else {}))
    status, _, answer = sent.answer
    assert status == 201, answer
    assert run(engine, "SELECT count(*) FROM tasks") == json.loads(answer)["count"]


@pytest.mark.parametrize("path", ["/tasks/batch", "/task/batch"])
def test_a_batch_beyond_the_limit_is_refused_unread(client: FlaskClient, path: str) -> None:
    sent = send(client.application, "POST", path, batch(9 * MEGABYTE))
    status, _, answer = sent.answer
    assert (status, json.loads(answer)["type"]) == (413, "/problems/body-too-large")
    assert sent.received == 0


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Yield each path that accepts a body, with its method and endpoint."""
    for rule in app.url_map.iter_rules():
        path = re.sub(
            r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", lambda found: UNKNOWN_ID if found[1] == "task_id" else "1", rule.rule
        )
        for method in sorted({"POST", "PUT", "PATCH"} & (rule.methods or set())):
            yield method, path, rule.endpoint


def test_every_route_and_every_alias_has_the_limit_of_its_operation(client: FlaskClient) -> None:
    limits = BodyLimits(client.application, RESOURCES)
    declared = {name: each for resource in RESOURCES for name, each in resource.operations.items()}
    found = {}
    for method, path, endpoint in routes(client.application):
        found[method, path] = limits(method, path)
        takes_body = endpoint in declared and declared[endpoint].body
        assert found[method, path] == (declared[endpoint].max_body_bytes if takes_body else 0), path
    assert {path for _, path in found} >= {"/tasks", "/task", "/tasks/batch", "/task/batch", "/sign-in"}
    for (method, path), limit in found.items():
        for old, new in PATHS.items():
            if path == old or path.startswith(f"{old}/"):
                assert limit == found[method, new + path.removeprefix(old)], path


def test_every_route_receives_what_its_operation_takes_and_refuses_one_byte_more(client: FlaskClient) -> None:
    """Blanks are not JSON: 400 means that the whole body was read, 413 that it was too large."""
    app = client.application
    limits = BodyLimits(app, RESOURCES)
    for method, path, _ in routes(app):
        limit = limits(method, path)
        if not limit:
            continue
        assert send(app, method, path, b" " * limit).answer[0] == 400, (method, path)
        assert send(app, method, path, b" " * (limit + 1)).answer[0] == 413, (method, path)


def test_bodies_for_missing_paths_are_received_up_to_the_common_limit_only(client: FlaskClient) -> None:
    for path in ("/nope", "/tasks/batch/", "/é", "/health"):
        sent = send(client.application, "POST", path, b" " * (MAX_BUFFERED_BYTES + 1))
        assert (sent.answer[0] in {404, 405}, sent.received) == (True, 0), path
