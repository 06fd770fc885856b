"""`python -m local.run` in a small checkout: it starts in order, survives failures, and ends without leftovers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from local.ports import free_port
from local.server import command_line
from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import descendants, is_alive

ROOT = Path(__file__).parents[2]
READY = "Punctual is ready"
# Coverage would print a warning; the other variables may be left behind by other tests.
NOT_PASSED_ON = ("COVERAGE", "TASK_MODULES", "EXTERNAL_TASK_TYPES", "DATABASE_SCHEMA", "REDIS_PREFIX")
PROCFILE = """\
release: python -c "print('migrated')"
web: python web.py
promoter: python waits.py
worker: python waits.py
"""
WEB = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
PREFLIGHT = """
import os, sys
if "nosuch" in os.environ.get("TASK_MODULES", ""):
    sys.exit("TASK_MODULES names 'nosuch': No module named 'nosuch'")
"""
# Ends in order on SIGTERM; its child does not get the signal.
WAITS = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; print('child', flush=True); signal.pause()"])
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True) or child.kill() or sys.exit(0))
while True: signal.pause()
"""
NEVER_STOPS = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: time.sleep(600))
print("child", flush=True)
while True: signal.pause()
"""
SHOWS = """
import os, signal
print(os.environ["LOG_REQUESTS"], os.environ["LOG_FORMAT"], "child", flush=True)
while True: signal.pause()
"""


class Tree:
    """A small checkout with its own Procfile, and runs of it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.port = free_port()
        self.runs: list[subprocess.Popen[bytes]] = []
        shutil.copytree(ROOT / "local", top / "local", ignore=shutil.ignore_patterns("__pycache__"))
        (top / "app").mkdir()
        files = {"Procfile": PROCFILE, "web.py": WEB, "waits.py": WAITS, "app/preflight.py": PREFLIGHT}
        for name, content in files.items():
            (top / name).write_text(content)

    def run(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a run in a session of its own."""
        elsewhere = {"DATABASE_URL": "postgresql://me:secret@127.0.0.1:9/x", "REDIS_URL": "redis://127.0.0.1:9/0"}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)}
        with (self.top / f"printed-{len(self.runs)}").open("wb") as printed:
            run = subprocess.Popen(
                [sys.executable, "-m", "local.run"],
                cwd=self.top,
                env=inherited | elsewhere | {"PORT": str(self.port)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.runs.append(run)
        return run

    def ready(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a run and wait until it reports that it is ready."""
        run = self.run(**environment)
        wait_until(lambda: READY in self.printed() or run.poll() is not None, 30, "the run is ready")
        assert READY in self.printed(), self.printed()
        return run

    def printed(self, run: int = -1) -> str:
        """Return the output of a run so far, by default the last one."""
        return (self.top / f"printed-{range(len(self.runs))[run]}").read_text()

    def pid(self, name: str) -> int:
        """Return the pid of a process of the Procfile since its last start."""
        return int(re.findall(rf"{re.escape(name)} started \(pid=(\d+)\)", self.printed())[-1])


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """A small checkout whose runs are killed at the end. They receive SIGHUP even if the tests run under nohup."""
    made = Tree(tmp_path)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield made
    signal.signal(signal.SIGHUP, before)
    for run in made.runs:
        if run.poll() is None:
            for pid in descendants(run.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            run.kill()
            run.wait()


def wait_until_gone(pids: set[int], seconds: float) -> None:
    wait_until(lambda: not any(map(is_alive, pids)), seconds, f"none of {pids} is left")


# A run that receives SIGTERM between two starts.
STOPPED_BETWEEN_TWO_STARTS = """
import os, signal, sys
from pathlib import Path
from local.formation import Formation
from local.supervised import Supervised
from local.output import Output

class Signalled(Supervised):
    def __getattribute__(self, name):  # honcho reads it just before it starts the process
        if name == "run" and self.name == "two":
            os.kill(os.getpid(), signal.SIGTERM)
        return super().__getattribute__(name)

with Output(Path("run.log")) as output:
    formation = Formation(output, os.environ, beside=lambda: None)
    formation._process_ctor = Signalled
    for name in ("one", "two", "three"):
        formation.add(name, "sleep 60")
    formation.loop()
    sys.exit(0 if formation.stopped_on_request() else 1)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_ends_with_code_0_and_leaves_no_process(tree: Tree, number: signal.Signals) -> None:
    run = tree.ready()
    wait_until(lambda: tree.printed().count("child") == 3, 10, "each process has started its child")
    everything = descendants(run.pid)
    os.killpg(run.pid, number)  # as a terminal does
    assert run.wait(10) == 0, tree.printed()
    wait_until_gone(everything, 2)
    assert tree.printed().count("asked") == 3, "each process gets one signal, its child none"
    assert not (tree.top / "var" / "run.env").exists()


def test_a_stop_at_any_moment_of_the_start_leaves_no_process(tree: Tree) -> None:
    for delay_s in (0.05, 0.15, 0.25, 0.35, 0.5, 0.7):
        run = tree.run()
        begun, everything = time.monotonic(), set[int]()
        while time.monotonic() < begun + delay_s:
            everything |= descendants(run.pid)
        os.killpg(run.pid, signal.SIGTERM)
        assert run.wait(10) in {0, -signal.SIGTERM}, tree.printed()
        wait_until_gone(everything, 2)


def test_a_stop_between_two_starts_ends_the_started_processes(tree: Tree) -> None:
    run = subprocess.run(
        [sys.executable, "-c", STOPPED_BETWEEN_TWO_STARTS], cwd=tree.top, check=False, timeout=20, capture_output=True
    )
    assert run.returncode == 0, run
    assert b"Traceback" not in run.stderr, run


def test_a_run_prints_its_address_without_a_password_and_writes_the_run_file(tree: Tree) -> None:
    tree.ready(EXTERNAL_TASK_TYPES="print", DATABASE_SCHEMA="ours", REDIS_PREFIX="ours")
    file = tree.top / "var" / "run.env"
    assert file.read_text().splitlines() == [
        "DATABASE_URL=postgresql://me:secret@127.0.0.1:9/x",
        "REDIS_URL=redis://127.0.0.1:9/0",
        f"BASE_URL=http://127.0.0.1:{tree.port}",
        "EXTERNAL_TASK_TYPES=print",
        "DATABASE_SCHEMA=ours",
        "REDIS_PREFIX=ours",
    ]
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"http://127.0.0.1:{tree.port}/docs" in tree.printed()
    assert "migrated" in tree.printed()
    assert "secret" not in tree.printed()


def test_the_output_is_also_logged_and_the_previous_log_is_kept(tree: Tree) -> None:
    for _ in range(2):
        run = tree.ready()
        run.terminate()
        run.wait(10)
    logs = tree.top / "var" / "log"
    assert (logs / "run.log").read_text() == tree.printed()
    assert (logs / "run.log.1").read_text() == tree.printed(0)


def test_a_second_run_prints_the_address_of_the_first_and_that_its_settings_were_not_applied(tree: Tree) -> None:
    first = tree.ready()
    assert tree.run(TASK_MODULES="others").wait(30) == 1
    assert tree.printed() == (
        f"Punctual is already running at http://127.0.0.1:{tree.port}; the settings of this call were not applied\n"
    )
    assert first.poll() is None


def test_an_invalid_setting_is_reported_in_one_sentence_before_anything_starts(tree: Tree) -> None:
    assert tree.run(TASK_MODULES="nosuch").wait(30) == 1
    assert tree.printed() == "Punctual does not run: TASK_MODULES names 'nosuch': No module named 'nosuch'\n"


def test_a_stopping_run_prints_what_it_waits_for_and_a_second_ctrl_c_ends_it_at_once(tree: Tree) -> None:
    (tree.top / "waits.py").write_text(NEVER_STOPS)
    run = tree.ready(SHUTDOWN_GRACE_S="17")
    wait_until(lambda: tree.printed().count("child") == 3, 60, "each process has its handler")
    everything = descendants(run.pid)
    os.killpg(run.pid, signal.SIGINT)
    wait_until(lambda: "waiting for " in tree.printed(), 60, "what it waits for")
    assert re.search(r"waiting for .*worker\.1.*SHUTDOWN_GRACE_S \(17 s\).*Ctrl-C again", tree.printed())
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(20) == 0, tree.printed()  # the processes would have waited for 28 s
    wait_until_gone(everything, 10)


def test_requests_are_not_logged_and_lines_are_json_unless_a_terminal_shows_them(tree: Tree) -> None:
    (tree.top / "waits.py").write_text(SHOWS)
    tree.ready(LOG_REQUESTS="")
    wait_until(lambda: "errors auto child" in tree.printed(), 60, "what the processes get")


def test_the_commands_of_the_message_can_be_pasted(tree: Tree) -> None:
    tree.ready()
    psql = re.search(r"psql (.*)", tree.printed())
    assert psql
    printed = subprocess.run(f"echo {psql[1]}", shell=True, cwd=tree.top, capture_output=True, text=True, check=True)
    assert printed.stdout == "postgresql://me:secret@127.0.0.1:9/x\n"


def test_a_killed_process_is_restarted(tree: Tree) -> None:
    run = tree.ready()
    old = tree.pid("worker.2")
    family = descendants(old)
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: tree.pid("worker.2") != old, 10, "a new worker.2")
    assert "| ended (killed by SIGKILL), starts again in 1 s" in tree.printed()
    wait_until_gone(family, 2)
    run.terminate()
    assert run.wait(10) == 0


def test_a_killed_run_leaves_no_process_and_the_next_run_gets_its_port(tree: Tree) -> None:
    run = tree.ready()
    everything = descendants(run.pid)
    run.kill()
    run.wait()
    tree.ready(PORT="").terminate()
    wait_until_gone(everything, 5)


def test_a_run_whose_keeper_is_killed_ends_in_order(tree: Tree) -> None:
    run = tree.ready()
    everything = descendants(run.pid)
    keeper = next(pid for pid in everything if tree.pid("promoter.1") in descendants(pid))
    os.kill(keeper, signal.SIGKILL)
    assert run.wait(10) == 1
    wait_until_gone(everything, 5)


def test_a_process_that_ends_at_its_start_ends_the_run_with_a_reason(tree: Tree) -> None:
    with (tree.top / "Procfile").open("a") as procfile:
        procfile.write("sweeper: python -c 'raise SystemExit(3)'\n")
    run = tree.run()
    assert run.wait(30) == 1
    assert "| ended right after its start (code 3): everything stops" in tree.printed()
    assert "Traceback" not in tree.printed()


def test_no_process_starts_when_the_migrations_fail(tree: Tree) -> None:
    procfile = (tree.top / "Procfile").read_text()
    (tree.top / "Procfile").write_text(procfile.replace("print('migrated')", "raise SystemExit('no such table')"))
    assert tree.run().wait(30) == 1
    assert "no such table" in tree.printed()
    assert "failed with code 1, see above" in tree.printed()
    assert "started" not in tree.printed()


def test_a_service_that_does_not_get_ready_is_stopped_and_its_last_answer_printed(tree: Tree) -> None:
    (tree.top / "web.py").write_text(WEB.replace("/ready", "/never"))
    ready = tree.top / "local" / "web.py"
    ready.write_text(ready.read_text().replace("READY_SECONDS = 60.0", "READY_SECONDS = 0.5"))
    assert tree.run().wait(30) == 1
    assert "/ready does not answer 200, but: 404" in tree.printed()


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("PORT", "0"), ("PORT", "65536"), ("WORKERS", "many"), ("WORKERS", "-1")]
)
def test_an_invalid_setting_is_refused_by_name(tree: Tree, name: str, value: str) -> None:
    assert tree.run(**{name: value}).wait(10) == 1
    assert tree.printed().startswith(f"Punctual does not run: {name} must be")


def test_a_configured_port_that_is_taken_is_refused(tree: Tree) -> None:
    with socket.create_server(("127.0.0.1", tree.port)):
        assert tree.run().wait(10) == 1
    assert f"port {tree.port} is taken" in tree.printed()


def test_the_number_of_workers_is_configurable(tree: Tree) -> None:
    tree.ready(WORKERS="3")
    assert len(re.findall(r"worker\.\d started", tree.printed())) == 3


def test_embedded_servers_stop_last_and_keep_their_ports_and_contents(tree: Tree) -> None:
    ports = []
    for _ in range(2):
        run = tree.ready(DATABASE_URL="", REDIS_URL="")
        everything = descendants(run.pid)
        ports.append([(tree.top / "var" / name / "port").read_text() for name in ("postgres", "valkey")])
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(20) == 0, tree.printed()
        wait_until_gone(everything, 2)
    assert ports[0] == ports[1]
    assert "database system is shut down" in (tree.top / "var" / "postgres" / "log").read_text()


def test_a_killed_embedded_server_is_restarted(tree: Tree) -> None:
    run = tree.ready(DATABASE_URL="", REDIS_URL="")
    server = next(pid for pid in descendants(run.pid) if "valkey.conf" in command_line(pid))
    os.kill(server, signal.SIGKILL)
    wait_until(
        lambda: "valkey ended (code -9), starts again" in tree.printed(), 10, "the end of the server is detected"
    )
    run.terminate()
    assert run.wait(20) == 0, tree.printed()
