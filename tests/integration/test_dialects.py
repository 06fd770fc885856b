"""Requests as clients in other languages write them by default: what is unambiguous is accepted on every path."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from app.api.application import RESOURCES
from app.api.bodies import Bodies
from app.api.fast_path import FastPath
from app.api.openapi.resource import BodyLimits
from app.api.reading.payloads import MAX_PAYLOAD_BYTES
from app.api.server import Server
from tests.integration.api_calls import FUTURE, PAST, body, create, fields, lease
from tests.rsgi import Protocol, scope

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

WAYS = ("fast path", "Flask", "batch")
AT = "2100-01-01T00:00:00.123457Z"

# A task as it is sent, and those of its fields that are not the defaults.
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "Jackson": (
        (
            '{"type":"noop","executeAt":"2100-01-01T00:00:00.123456789Z","delayS":null,"payload":{"a":null,"b":[]},'
            '"timeoutS":null,"maxAttempts":null}'
        ),
        {"payload": {"a": None, "b": []}},
    ),
    "Jackson before 2.11": ('{"type":"noop","execute_at":"2100-01-01T00:00:00.123457+0000"}', {}),
    "java.time": ('{"type": "noop", "execute_at": "2100-01-01T01:00+01:00"}', {"execute_at": FUTURE}),
    "System.Text.Json": (
        (
            '{"Type":"noop","ExecuteAt":"2100-01-01T01:00:00.1234561\\u002B01:00","DelayS":null,'
            '"Payload":{"Name":"x"},"TimeoutS":7,"MaxAttempts":3}'
        ),
        {"payload": {"Name": "x"}, "timeout_s": 7.0, "max_attempts": 3},
    ),
    "Newtonsoft in a file with a byte order mark": (
        (
            '\ufeff{\r\n  "Type": "noop",\r\n  "ExecuteAt": "2100-01-01T00:00:00.123457+00:00",\r\n'
            '  "Payload": {},\r\n  "MaxAttempts": null\r\n}\r\n'
        ),
        {},
    ),
    "Go": (
        (
            '{"type":"noop","execute_at":"2100-01-01T00:00:00.123456001Z","payload":{"html":"\\u003cb\\u003e\\u0026"},'
            '"timeout_s":5,"max_attempts":1}\n'
        ),
        {"payload": {"html": "<b>&"}},
    ),
    "Go with a nil map": ('{"type":"noop","execute_at":"2100-01-01T00:00:00.123456999Z","payload":null}\n', {}),
    "PHP": (
        '{"type":"noop","execute_at":"2100-01-01T00:00:00.123457+0000","payload":[],"timeout_s":5.0}',
        {},
    ),
    "PHP with slashes": (
        '{"type":"noop","execute_at":"2100-01-01T00:00:00.123457+00:00","payload":{"url":"https:\\/\\/x\\/y","n":5.0}}',
        {"payload": {"url": "https://x/y", "n": 5.0}},
    ),
    "Ruby": ('{"type":"noop","execute_at":"2100-01-01 01:00:00 +0100"}', {"execute_at": FUTURE}),
    "Ruby in UTC": ('{"type":"noop","execute_at":"2100-01-01 00:00:00 UTC"}', {"execute_at": FUTURE}),
    "Python's str": ('{"type": "noop", "execute_at": "2100-01-01 00:00:00.123457+00:00"}', {}),
    "JavaScript": (
        '{"type":"noop","execute_at":"2100-01-01T00:00:00.000Z","delay_s":null,"payload":{"NaN":null}}',
        {"execute_at": FUTURE, "payload": {"NaN": None}},
    ),
    "Rust": (
        '{"type":"noop","execute_at":"2100-01-01T00:00:00.123456789+00:00","delay_s":null,"max_attempts":null}',
        {},
    ),
    "Lua": ('{"type":"noop","execute_at":"2100-01-01T00:00:00.123457Z","max_attempts":3.0}', {"max_attempts": 3}),
    "SQL": ('{"kind":"noop","not_before":"2100-01-01 00:00:00.123457+00","task_type":null}', {}),
    "capitals": ('{"TYPE":"NOOP","EXECUTE_AT":"2100-01-01t00:00:00.123457z"}', {}),
}


def send(app: Flask, way: str, task: str) -> dict[str, Any]:
    """Create a task and return it as the API shows it."""
    raw = task.encode()
    if way == "batch":
        raw = b'{"tasks": [' + raw.removeprefix(b"\xef\xbb\xbf") + b"]}"
    bodies = Bodies(BodyLimits(app, RESOURCES))
    server = Server(app, threading.Event(), bodies, fast_path=FastPath(app) if way == "fast path" else None)
    headers = {"host": "x", "content-type": "application/json", "content-length": str(len(raw))}
    protocol = Protocol(raw)
    path = "/tasks/batch" if way == "batch" else "/tasks"
    asyncio.run(server.__rsgi__(scope(headers.items(), path=path), protocol))
    status, _, answer = protocol.answer
    assert status == 201, answer
    created = json.loads(answer)
    return body(app.test_client().get(f"/tasks/{created['ids'][0] if way == 'batch' else created['id']}"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_read_as_serializers_write_it(client: FlaskClient, name: str, way: str) -> None:
    task, expected = TASKS[name]
    shown = send(client.application, way, task)
    expected = {"execute_at": AT, "payload": {}, "timeout_s": 5.0, "max_attempts": 1} | expected
    assert {field: shown[field] for field in expected} == expected
    assert shown["type"] == "noop"


@pytest.mark.parametrize(
    "at",
    ["0001-01-01T00:00:00Z", "1969-07-20T20:17:40Z", "1900-01-01T00:00:00.000000001Z", "9999-12-31T23:59:59.999999Z"],
)  # fmt: skip
@pytest.mark.parametrize("way", WAYS)
def test_every_year_is_stored_listed_and_filtered(client: FlaskClient, way: str, at: str) -> None:
    task = send(client.application, way, json.dumps({"type": "noop", "execute_at": at}))
    assert task["execute_at"][:19] == at[:19]
    for filters in (f"since={at[:19]}Z", f"until={task['execute_at']}"):
        listed = body(client.get(f"/tasks?{filters}&limit=1"))
        assert [each["id"] for each in listed["tasks"]] == ([task["id"]] if filters.startswith("since") else [])
    assert client.delete(f"/tasks/{task['id']}").status_code == 200


def test_cursors_lead_through_all_years(client: FlaskClient) -> None:
    ids = [create(client, execute_at=at)["id"] for at in ("0001-01-01T00:00:00Z", PAST, "9999-12-31T23:59:59.999999Z")]
    found, url = [], "/tasks?limit=1"
    while url:
        page = body(client.get(url))
        found += [task["id"] for task in page["tasks"]]
        url = f"/tasks?limit=1&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert found == ids


ACTS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "heartbeat": ('{"claimToken": "%s"}', {"state": "running"}),
    "complete": ('{"ClaimToken": "%s", "Result": {"Pages": 3.0}}', {"state": "succeeded", "result": {"Pages": 3.0}}),
    "fail": ('{"claimToken": "%s", "Error": {"Message": "no", "Type": null}}', {"state": "failed"}),
    "release": ('\ufeff{"claim_token": "%s"}\r\n', {"state": "scheduled"}),
}


@pytest.mark.parametrize("act", ACTS)
def test_acts_are_read_as_serializers_write_them(client: FlaskClient, act: str) -> None:
    held = lease(client)
    text, expected = ACTS[act]
    raw = (text % held["claim_token"]).encode()
    answer = client.post(f"/tasks/{held['id']}/{act}", data=raw, content_type="application/json; charset=utf-8")
    assert answer.status_code == 200, answer.text
    assert {field: body(answer)[field] for field in expected} == expected


def test_claims_are_read_as_serializers_write_them(client: FlaskClient) -> None:
    first, second = (create(client, type="outside", execute_at=PAST)["id"] for _ in range(2))
    by_java = {"workerId": "w", "type": None, "waitS": None, "limit": 1.0}
    assert [task["id"] for task in body(client.post("/tasks/claim", json=by_java))["tasks"]] == [first]
    assert body(client.post(f"/tasks/{second}/claim", json={"WorkerId": "w"}))["state"] == "running"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_batch_is_read_as_serializers_write_it(client: FlaskClient, mark: bytes) -> None:
    """Each task gets its own payload, in any spelling of the fields, and also if some tasks have none."""
    tasks = [
        {"Type": "noop", "ExecuteAt": FUTURE, "Payload": {"n": 1}},
        {"type": "noop", "execute_at": FUTURE},
        {"type": "noop", "executeAt": FUTURE, "payload": {"n": 3}},
        {"Type": "noop", "ExecuteAt": FUTURE, "Payload": None},
        {"TYPE": "noop", "EXECUTE_AT": FUTURE, "PAYLOAD": {"n": 5}},
    ]
    raw = mark + json.dumps({"Tasks": tasks}).encode()
    ids = body(client.post("/tasks/batch", data=raw, content_type="application/json"))["ids"]
    payloads = [body(client.get(f"/tasks/{each}"))["payload"] for each in ids]
    assert payloads == [{"n": 1}, {}, {"n": 3}, {}, {"n": 5}]


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a number as text": ({"timeout_s": "5"}, "timeout_s", "Must be a number, not text."),
    "attempts as text": ({"max_attempts": "3"}, "max_attempts", "Must be a whole number, not text."),
    "half an attempt": ({"max_attempts": 1.5}, "max_attempts", "Must be a whole number, not a decimal number."),
    "a boolean for a number": ({"delay_s": True, "execute_at": None}, "delay_s", "Must be a number, not a boolean."),
    "a payload encoded twice": ({"payload": "{}"}, "payload", "Must be an object, not text."),
    "a list as payload": ({"payload": [1]}, "payload", "Must be an object, not an array."),
    "a time as Jackson's array": (
        {"execute_at": [2100, 1, 1]}, "execute_at",
        "Must be an RFC 3339 time with an offset, like 2030-01-31T09:30:00.25+01:00, not an array.",
    ),
    "a time in milliseconds": (
        {"execute_at": 4102444800000}, "execute_at",
        "Must be an RFC 3339 time with an offset, like 2030-01-31T09:30:00.25+01:00, not a number.",
    ),
    "a time in camel case": (
        {"execute_at": ..., "executeAt": 1}, "executeAt",
        "Must be an RFC 3339 time with an offset, like 2030-01-31T09:30:00.25+01:00, not a number.",
    ),
    "both names": ({"executeAt": FUTURE}, "executeAt", "Unknown field."),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_an_ambiguous_value_is_refused_with_a_sentence(client: FlaskClient, name: str) -> None:
    changed, field, message = REFUSED[name]
    task = {"type": "noop", "execute_at": FUTURE} | changed
    task = {each: value for each, value in task.items() if value is not ...}
    assert fields(client.post("/tasks", json=task)) == {field: message}
    assert fields(client.post("/tasks/batch", json={"tasks": [task]})) == {f"tasks[0].{field}": message}


BODIES = {
    b"[]": "Must be a JSON object, not an array.",
    b'[{"type": "noop", "delay_s": 1}]': "Must be a JSON object, not an array.",
    b'"{\\"type\\": \\"noop\\"}"': "Must be a JSON object, not text. Was it encoded twice?",
    b"null": "Must be a JSON object, not null.",
    b"5": "Must be a JSON object, not a number.",
}


@pytest.mark.parametrize("path", ["/tasks", "/tasks/batch", "/tasks/claim"])
@pytest.mark.parametrize("raw", BODIES, ids=range(len(BODIES)))
def test_a_body_that_is_no_object_is_named(client: FlaskClient, raw: bytes, path: str) -> None:
    assert fields(client.post(path, data=raw, content_type="application/json")) == {"body": BODIES[raw]}


ROOM = MAX_PAYLOAD_BYTES - len('{"a":""}')
LARGEST = {
    "escapes of Go": ("\\u003c" * ROOM, "<" * ROOM),
    "escapes of Python": ("\\u00e9" * (ROOM // 2), "é" * (ROOM // 2)),
    "newlines": ("\\n" * ROOM, "\n" * ROOM),
    "control characters": ("\\u0001" * ROOM, "\1" * ROOM),
    "emoji": ("\\ud83d\\ude00" * (ROOM // 4), "\U0001f600" * (ROOM // 4)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LARGEST)
def test_escapes_do_not_count_for_the_size_of_a_payload(client: FlaskClient, name: str, way: str) -> None:
    escaped, text = LARGEST[name]
    start = f'{{"type": "noop", "execute_at": "{FUTURE}", "payload": {{"a": "'
    assert send(client.application, way, f'{start}{escaped}"}}}}')["payload"] == {"a": text}
    beyond = client.post("/tasks", data=f'{start}{escaped}xxxx"}}}}', content_type="application/json")
    assert list(fields(beyond)) == ["payload"]
