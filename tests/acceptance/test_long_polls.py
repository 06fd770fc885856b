"""Hundreds of clients wait at one web process. They are answered in time and in order, and other clients are served."""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.client import new_task
from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import descendants
from tests.acceptance.sockets import POST, connect, connections

if TYPE_CHECKING:
    from tests.acceptance.client import Json
    from tests.acceptance.service import Service

MANY, SERVED = 300, 40
READ_AT_ONCE = 40  # requests that threads read at the same time overtake each other
ROUTERS_END_S = 30.0  # Heroku's H12, counted from the arrival of the request
BUSY = 0.5  # of one core: more than this is a busy loop, on any machine
IN_TIME_S = 30.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


def post_claim(**given: Any) -> bytes:
    """Return a claim request."""
    body = json.dumps({"worker_id": "w", "type": "outside"} | given).encode()
    return b"%sContent-Length: %d\r\n\r\n%s" % (POST.replace(b"/tasks", b"/tasks/claim"), len(body), body)


def read_answer(connection: socket.socket) -> tuple[int, Json | None]:
    """Read one answer; return its status and body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536) or pytest.fail(f"closed after {received!r}")
    head, _, content = received.partition(b"\r\n\r\n")
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n")[1:])
    length = next((int(value) for name, _, value in lines if name == b"content-length"), 0)
    while len(content) < length:
        content += connection.recv(65536) or pytest.fail("closed in the middle of an answer")
    return int(head.split()[1]), json.loads(content) if content else None


def answered(waiting: list[socket.socket], seconds: float) -> Iterator[socket.socket]:
    """Yield the connections that have an answer, as they come within this time."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for each in waiting:
            selector.register(each, selectors.EVENT_READ)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                selector.unregister(key.fileobj)
                assert isinstance(key.fileobj, socket.socket)
                yield key.fileobj


def processor_s(service: Service) -> float:
    """Return the processor time of all web processes."""
    pids = {each for web in service.living("web") for each in {web.pid, *descendants(web.pid)}}
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
            fields = stat.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_hundreds_wait_and_are_answered_before_routers_end_their_requests(service: Service) -> None:
    assert len(service.living("web")) == 1
    with connections(service.url, MANY, post_claim(wait_s=30)) as waiting:
        began = time.monotonic()
        assert list(answered(waiting, 2)) == [], "nothing is due, and nothing is answered"
        used = processor_s(service)
        assert list(answered(waiting, 3)) == []
        assert processor_s(service) - used < 3 * BUSY
        assert service.client.request("GET", "/tasks?limit=1").status_code == 200, "others are served"
        created = service.client.create_batch([new_task("outside", delay_s=1, timeout_s=60)] * SERVED)
        claims = {}
        for each in answered(waiting, ROUTERS_END_S):
            status, lease = read_answer(each)
            if lease is None:
                assert status == 204
                assert time.monotonic() - began > 20, "it has waited"
            else:
                claims[each] = lease
        assert time.monotonic() - began < ROUTERS_END_S
        assert sorted(lease["id"] for lease in claims.values()) == sorted(created)
        assert max(waiting.index(each) for each in claims) < SERVED + READ_AT_ONCE, "those that came first"
        for lease in claims.values():
            done = {"claim_token": lease["claim_token"], "result": None}
            assert service.client.request("POST", f"/tasks/{lease['id']}/complete", json=done).status_code == 200


@pytest.mark.parametrize("end", ["close", "reset", "half"])
@pytest.mark.parametrize("earlier", [0, 3])
def test_nothing_is_claimed_for_a_client_that_has_left(service: Service, end: str, earlier: int) -> None:
    """Also if its connection has carried other claims before."""
    with connect(service.url) as connection:
        for _ in range(earlier):
            connection.sendall(post_claim(wait_s=0))
            assert read_answer(connection) == (204, None)
        connection.sendall(post_claim(wait_s=20))
        assert list(answered([connection], 1)) == []
        if end == "half":
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b"", "the connection ends"
        elif end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    task_id = service.client.create("outside", delay_s=0.3)["id"]
    wait_until(lambda: service.client.request("GET", "/tasks/next?type=outside").status_code == 200, IN_TIME_S, "due")
    time.sleep(1)  # longer than any poll interval: the client that has left would have the task by now
    task = service.client.get(task_id)
    assert (task["state"], task["attempt"]) == ("scheduled", 0)
    with connect(service.url) as connection:
        connection.sendall(post_claim(wait_s=20))
        status, lease = read_answer(connection)
        assert lease
        assert (status, lease["id"], lease["attempt"]) == (200, task_id, 1)
    service.client.request("POST", f"/tasks/{task_id}/complete", json={"claim_token": lease["claim_token"]})


def test_a_client_whose_own_limit_is_shorter_than_its_wait_loses_no_task(service: Service) -> None:
    """It polls again at once, each time over a new connection, as `curl -m 1` in a loop."""
    created = service.client.create_batch([new_task("outside", delay_s=0.4 * number) for number in range(12)])
    done: list[str] = []
    deadline = time.monotonic() + 60
    while len(done) < len(created) and time.monotonic() < deadline:
        with connect(service.url) as connection:
            connection.sendall(post_claim(wait_s=20))
            for each in answered([connection], 0.55):
                status, lease = read_answer(each)
                if status == 200 and lease:
                    token = {"claim_token": lease["claim_token"]}
                    service.client.request("POST", f"/tasks/{lease['id']}/complete", json=token)
                    done.append(lease["id"])
    lost = [each for each in created if service.client.get(each)["state"] == "failed"]
    assert (sorted(done), lost) == (sorted(created), [])
