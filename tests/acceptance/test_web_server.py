"""The web process ends on a signal, no matter what else happens at that moment."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from app.web_server import WebServer
from local.ports import free_port
from tests.acceptance.conditions import sleep_until, wait_until
from tests.acceptance.processes import ROOT, descendants

TIMES, TIMEOUT_S = 6, 20.0
APPLICATION = """
class Application:
    async def __rsgi__(self, scope, protocol):
        protocol.response_str(200, [], "here")
"""
# A thread that has waited for an event holds the event's lock for 20 ms instead of a few microseconds.
SLOW_LOCKS = """
import threading, time

def acquire_slowly(self, _state):
    self._lock.acquire()
    time.sleep(0.02)

threading.Condition._acquire_restore = acquire_slowly
"""


def test_a_signal_is_handled_while_the_interrupted_thread_holds_the_lock_of_the_event() -> None:
    server = WebServer("application:Application")
    with server.main_loop_interrupt._cond:  # type: ignore[attr-defined]
        handler = threading.Thread(target=server.signal_handler_interrupt, daemon=True)
        handler.start()
        handler.join(TIMEOUT_S)
        assert not handler.is_alive()


def test_a_stop_that_arrives_while_a_worker_process_dies_is_handled(tmp_path: Path) -> None:
    """With granian's own signal handlers, a third of these runs never end."""
    (tmp_path / "application.py").write_text(APPLICATION)
    (tmp_path / "sitecustomize.py").write_text(SLOW_LOCKS)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]),
        "HOST": "127.0.0.1",
        "DATABASE_URL": "postgresql://nowhere/x",
        "REDIS_URL": "redis://nowhere",
    }
    for _ in range(TIMES):
        port = free_port()
        command = [sys.executable, "-c", "from app.web_server import serve; serve('application:Application')"]
        with subprocess.Popen(
            command, env=environment | {"PORT": str(port)}, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as web:  # fmt: skip
            try:
                wait_until(lambda: _answers(port), TIMEOUT_S, "it answers")  # noqa: B023  # called at once
                assert {os.sched_getscheduler(each) for each in descendants(web.pid)} == {os.SCHED_BATCH}
                for worker in descendants(web.pid):
                    os.kill(worker, signal.SIGKILL)
                sleep_until(time.time() + random.uniform(0, 0.03))
                web.send_signal(signal.SIGTERM)
                assert web.wait(TIMEOUT_S) in {0, 1}  # 1: a worker ended before granian stopped it
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(web.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [("localhost", "127.0.0.1"), ("[::1]", "[::1]"), ("::1", "[::1]"), ("::", "[::1]"), ("0.0.0.0", "127.0.0.1")],
)
def test_the_server_listens_on_host_names_and_on_addresses_of_ipv4_and_ipv6(
    host: str, reached_at: str, tmp_path: Path
) -> None:
    if reached_at == "[::1]" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    (tmp_path / "application.py").write_text(APPLICATION)
    port = free_port()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]), "HOST": host, "PORT": str(port),
        "DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere",
    }  # fmt: skip
    command = [sys.executable, "-c", "from app.web_server import serve; serve('application:Application')"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True) as web:
        try:
            wait_until(lambda: _answers(port, reached_at), TIMEOUT_S, "it answers")
            probe = [sys.executable, "-m", "app.healthcheck"]
            assert subprocess.run(probe, env=environment, cwd=ROOT, check=False).returncode == 0
            web.send_signal(signal.SIGTERM)
            assert web.wait(TIMEOUT_S) in {0, 1}
            assert subprocess.run(probe, env=environment, cwd=ROOT, check=False, stderr=subprocess.PIPE).returncode == 1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(web.pid, signal.SIGKILL)


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def _answers(port: int, host: str = "127.0.0.1") -> bool:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}", timeout=2) as answer:
            return bool(answer.read() == b"here")
    except OSError:
        return False
