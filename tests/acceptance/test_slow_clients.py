"""Clients that send slowly, send half a request or do not read delay no other client, and are disconnected."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import KEEP_ALIVE_S
from tests.acceptance.processes import descendants
from tests.acceptance.sockets import POST, connections, ends
from tests.patience import patience

if TYPE_CHECKING:
    from tests.acceptance.service import Service

MANY = 200
PROMPT_S = 6.0  # on a busy machine; a request that waits for one of these clients takes ten seconds
HALF_BODY = POST + b'Content-Length: 100\r\n\r\n{"type":'
HALF_CHUNK = POST + b'Transfer-Encoding: chunked\r\n\r\n20\r\n{"type":'
HALF_HEADER = b"POST /tasks HTTP/1.1\r\nHost: x\r\nX-Sl"
BIG_BYTES = 1_700_000
BIG = b"GET /static/vendor/swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def header_limit_s() -> float:
    """The time that the shared service waits for a header."""
    return KEEP_ALIVE_S


def resident_bytes(service: Service) -> int:
    """Return the resident memory of all web processes; 0 where there is no /proc."""
    pids = {each for web in service.living("web") for each in descendants(web.pid)}
    pages = (Path(f"/proc/{pid}/statm") for pid in pids)
    return sum(int(each.read_text().split()[1]) * resource.getpagesize() for each in pages if each.exists())


def assert_others_are_served(service: Service) -> None:
    """Assert that ordinary requests of both kinds are answered promptly."""
    for _ in range(5):
        began = time.monotonic()
        assert service.client.request("GET", "/tasks?limit=1").status_code == 200
        service.client.create("noop", delay_s=3600)
        assert time.monotonic() - began < patience(PROMPT_S)


@contextmanager
def drip(slow: list[socket.socket]) -> Iterator[None]:
    """Send one byte per second over each connection."""
    over = threading.Event()

    def send() -> None:
        while not over.wait(1):
            for each in slow:
                with suppress(OSError):
                    each.send(b" ")

    thread = threading.Thread(target=send)
    thread.start()
    yield
    over.set()
    thread.join()


def test_incomplete_requests_delay_no_other_client_and_are_ended(service: Service, header_limit_s: float) -> None:
    """All kinds at the same time, so that the test waits for the limits only once."""
    with (
        connections(service.url, MANY, HALF_BODY) as bodies,
        connections(service.url, MANY, HALF_CHUNK) as chunks,
        connections(service.url, MANY, HALF_HEADER) as headers,
        connections(service.url, 20, b"") as silent,
    ):
        assert_others_are_served(service)
        answers = ends(bodies + chunks, 30)
        assert len(answers) == 2 * MANY
        for answer in answers:
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"application/problem+json" in answer
        assert len(ends([*headers, *silent], header_limit_s + 15)) == MANY + 20
    assert_others_are_served(service)


def test_a_client_that_sends_one_byte_a_second_is_disconnected(service: Service) -> None:
    with connections(service.url, 50, POST + b"Content-Length: 1000\r\n\r\n") as drips:
        with drip(drips):
            assert_others_are_served(service)
            answers = ends(drips, 30)
        assert len(answers) == 50
        assert all(b" 408 " in answer[:20] or not answer for answer in answers)


def test_unread_answers_delay_no_other_client_and_are_not_held_in_memory(service: Service) -> None:
    before = resident_bytes(service)
    with connections(service.url, MANY, BIG):
        assert_others_are_served(service)
        assert resident_bytes(service) - before < MANY * BIG_BYTES / 4


def test_idle_connections_delay_no_other_client(service: Service) -> None:
    with connections(service.url, 500, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"):
        assert_others_are_served(service)
