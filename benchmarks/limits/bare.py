"""Measure the bare application under the web server of the Procfile, with the same load generator as the service."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.limits.servers import TOP, Servers
from benchmarks.limits.stores import make_table
from benchmarks.tasks import instant
from local.ports import free_port
from local.procfile import read_procfile
from tools.load import Load, post, send_all

OURS, BARE = "python -m app.web_server", "python -m benchmarks.limits.bare_app"
PROCESSES = 2
CONNECTIONS, COUNT, WARM = 32, 15_000, 500
FAR_S, START_S = 86_400.0, 30.0


@contextmanager
def bare_application(servers: Servers) -> Iterator[Callable[[], dict[str, float]]]:
    """Run the application with the options of the service's web server."""
    with servers.postgres() as connection:
        make_table(connection)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    listening = {"HOST": "127.0.0.1", "PORT": str(port), "WEB_PROCESSES": str(PROCESSES)}
    with servers.running(bare_command(), environment=listening):
        _wait_until_it_listens(port)
        _ask(url, WARM)
        yield partial(_measured, url)


def bare_command() -> str:
    """The line of the Procfile, with the bare application in place of ours."""
    command = read_procfile(TOP / "Procfile")["web"]
    if command != OURS:
        raise RuntimeError(f"the Procfile no longer starts `{OURS}`")
    return BARE


def _measured(url: str) -> dict[str, float]:
    load = _ask(url, COUNT)
    return {"bare": load.per_second, "bare p99": load.percentile_ms(0.99)}


def _ask(url: str, count: int) -> Load:
    far = time.time() + FAR_S
    requests = (
        post(url, "/tasks", f'{{"type": "bench", "execute_at": "{instant(far + number)}"}}'.encode())
        for number in range(count)
    )
    load = send_all(url, requests, connections=CONNECTIONS)
    if set(load.statuses) != {201}:
        raise RuntimeError(f"the bare application answered {dict(load.statuses)}")
    return load


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
