"""Requests as HTTP clients send them: in chunks, after `Expect: 100-continue`, or with repeated headers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.sockets import exchange

if TYPE_CHECKING:
    from tests.acceptance.service import Service

TASK = json.dumps({"type": "baz", "execute_at": "2100-01-01T00:00:00.123456789Z"}).encode()
HALF = len(TASK) // 2
LENGTH = b"Content-Length: %d\r\n" % len(TASK)
JSON = b"Content-Type: application/json\r\n"


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


CHUNKS = chunk(TASK[:HALF]) + chunk(TASK[HALF:]) + b"0\r\n\r\n"
FRAMED: dict[str, tuple[bytes, bytes]] = {
    "with a length": (JSON + LENGTH, TASK),
    "in chunks": (JSON + b"Transfer-Encoding: chunked\r\n", CHUNKS),
    "in chunks, after 100-continue": (JSON + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
    "after 100-continue": (JSON + b"Expect: 100-continue\r\n" + LENGTH, TASK),
    "with a charset": (b"content-type: Application/JSON;Charset=UTF-8\r\n" + LENGTH, TASK),
    "with a type twice": (JSON + JSON + LENGTH, TASK),
    "with lengths that agree": (JSON + LENGTH + LENGTH, TASK),
    "with other headers twice": (
        JSON + b"Accept: */*\r\nAccept: application/json\r\nX-A: 1\r\nX-A: 2\r\n" + LENGTH,
        TASK,
    ),
    "with what browsers send": (
        JSON + b"Origin: http://x\r\nReferer: http://x/\r\nSec-Fetch-Mode: cors\r\nDNT: 1\r\n" + LENGTH,
        TASK,
    ),
    "with a byte order mark and blank lines": (
        JSON + b"Content-Length: %d\r\n" % (len(TASK) + 7),
        b"\xef\xbb\xbf" + TASK + b"\r\n\r\n",
    ),
    "with empty headers": (JSON + b"X-Empty:\r\nAccept-Language:\r\n" + LENGTH, TASK),
}
REFUSED: dict[str, tuple[int, bytes, bytes]] = {
    "a form": (415, b"Content-Type: application/x-www-form-urlencoded\r\n" + LENGTH, TASK),
    "text of a browser": (415, b"Content-Type: text/plain;charset=UTF-8\r\n" + LENGTH, TASK),
    "no type": (415, LENGTH, TASK),
    "two types": (415, JSON + b"Content-Type: text/plain\r\n" + LENGTH, TASK),
    "gzip": (415, JSON + b"Content-Encoding: gzip\r\n" + LENGTH, TASK),
    "UTF-16": (400, JSON + b"Content-Length: 6\r\n", b"\xff\xfe{\x00}\x00"),
    "nothing": (400, JSON + b"Content-Length: 0\r\n", b""),
    "nothing, without a length": (400, JSON, b""),
    "nothing in chunks": (400, JSON + b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "a list": (422, JSON + b"Content-Length: 2\r\n", b"[]"),
}


def post(service: Service, headers: bytes, body: bytes) -> tuple[int, dict[str, object]]:
    """Send a request over a socket of its own; return the last status and body."""
    head = b"POST /tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + b"\r\n"
    received = exchange(service.url, head + body)
    final = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    start, _, content = final.partition(b"\r\n\r\n")
    return int(start.split()[1]), json.loads(content)


@pytest.mark.parametrize("name", FRAMED)
def test_a_task_is_created_however_a_client_frames_the_request(service: Service, name: str) -> None:
    status, task = post(service, *FRAMED[name])
    assert status == 201, task
    assert task["execute_at"] == "2100-01-01T00:00:00.123457Z"
    service.client.delete(str(task["id"]))


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_is_not_json_is_refused_with_a_sentence(service: Service, name: str) -> None:
    expected, headers, body = REFUSED[name]
    status, problem = post(service, headers, body)
    assert (status, problem["status"]) == (expected, expected), problem
    assert str(problem["detail"]).endswith(".")


def test_a_task_due_in_the_year_one_runs_at_once(service: Service) -> None:
    at = "0001-01-01T00:00:00Z"  # what Go sends for a time that is not set
    task = service.client.request("POST", "/tasks", json={"type": "baz", "execute_at": at}).json()
    done = service.client.request("GET", f"/tasks/{task['id']}?wait_s=15").json()
    assert (done["state"], done["execute_at"]) == ("succeeded", at)
    assert done["lag_ms"] == pytest.approx(
        (datetime.now(UTC) - datetime(1, 1, 1, tzinfo=UTC)).total_seconds() * 1000, rel=1e-6
    )
