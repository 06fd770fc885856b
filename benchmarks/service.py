"""Services of the benchmarks' own, with fresh servers: processes of the Procfile in any number, or `make run`."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import requests

from local.ports import free_port
from local.procfile import RELEASE, read_procfile
from local.stores import open_stores
from local.web import running_url

TOP = Path(__file__).resolve().parents[1]
START_S, STOP_S = 60.0, 40.0
POLL_S = 0.02
TYPES = "workers.handlers,benchmarks.handlers"
NOT_INHERITED = {"DATABASE_URL", "REDIS_URL", "PORT"}


class Service:
    """Processes of the Procfile by kind. They are not restarted."""

    def __init__(self, stores: Mapping[str, str], folder: Path, environment: Mapping[str, str]) -> None:
        self.database_url, self.redis_url = stores["DATABASE_URL"], stores["REDIS_URL"]
        self.url = f"http://127.0.0.1:{free_port()}"
        self.records = folder / "records"
        self.records.mkdir(exist_ok=True)
        self._folder = folder
        self._commands = read_procfile(TOP / "Procfile")
        self._environment = os.environ | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOST": "127.0.0.1",
            "PORT": self.url.rpartition(":")[2],
            "LOG_LEVEL": "warning",
            "TASK_MODULES": TYPES,
            "BENCH_RECORDS": str(self.records),
            "TZ": "UTC",
            **stores,
            **environment,
        }
        self.processes: dict[str, list[subprocess.Popen[bytes]]] = {}

    def release(self) -> None:
        """Run the migrations."""
        command = shlex.split(self._commands[RELEASE])
        subprocess.run(command, cwd=TOP, env=self._environment, check=True, capture_output=True)

    def start(self, **counts: int) -> None:
        """Start this number of additional processes of each kind; return when the service is ready."""
        for kind, number in counts.items():
            for _ in range(number):
                self.processes.setdefault(kind, []).append(self._launch(kind))
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready after {START_S:g} s, see {self._folder}")
            time.sleep(POLL_S)

    def signal(self, kind: str, number: signal.Signals) -> None:
        """Send a signal to the process groups of a kind; return when the processes have ended."""
        for each in self.processes.pop(kind, []):
            os.killpg(each.pid, number)
            each.wait(STOP_S)

    def stop(self) -> None:
        """Send SIGTERM to all processes, and SIGKILL to those that do not end in time."""
        for each in (process for group in self.processes.values() for process in group):
            each.terminate()
        for each in (process for group in self.processes.values() for process in group):
            try:
                each.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(each.pid, signal.SIGKILL)
                each.wait()
        self.processes.clear()

    def pids(self) -> set[int]:
        """Return all processes of the service and of its servers."""
        return descendants(os.getpid())

    @contextmanager
    def postgres(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """Open a connection of the owner in autocommit mode."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            yield connection

    def _launch(self, kind: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{kind}.log").open("ab") as log:
            return subprocess.Popen(
                f"exec {self._commands[kind]}", shell=True, cwd=TOP, env=self._environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _is_ready(self) -> bool:
        try:
            if not requests.get(f"{self.url}/ready", timeout=2).ok:
                return False
        except requests.RequestException:
            return False
        wanted = len(self.processes.get("worker", []))
        with self.postgres() as connection:
            alive = "SELECT count(*) FROM workers WHERE heartbeat_at > now() - interval '4 s'"
            found = connection.execute(alive).fetchone()
        return found is not None and found[0] == wanted


@contextmanager
def running_service(
    environment: Mapping[str, str] | None = None, *, web: int = 1, promoter: int = 1, worker: int = 2
) -> Iterator[Service]:
    """Run a service with fresh servers; everything is stopped and deleted afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="punctual-bench-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        stores = open_stores({}, folder, stack, print)
        service = Service(stores, folder, {"WEB_PROCESSES": str(web), **(environment or {})})
        service.release()
        try:
            service.start(web=1, promoter=promoter, worker=worker, sweeper=1, scheduler=1)
            yield service
        finally:
            service.stop()


class MadeRun:
    """A run of `make run`: its process and the descendants of that."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def pids(self) -> set[int]:
        """Return all of its processes."""
        return {self._pid, *descendants(self._pid)}


@contextmanager
def made_run() -> Iterator[MadeRun]:
    """Start `make run` and wait until it is ready; stop it as Ctrl-C does."""
    with tempfile.TemporaryDirectory(prefix="punctual-run-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        environment = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
        process = subprocess.Popen(
            [sys.executable, "-m", "local.run"],
            cwd=TOP, env=environment | {"PUNCTUAL_VAR": name}, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_until_ready(folder)
            yield MadeRun(process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_S)


def _wait_until_ready(folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while not _answers(running_url(folder)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"`make run` was not ready after {START_S:g} s")
        time.sleep(POLL_S)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/ready", timeout=2).ok
    except requests.RequestException:  # not even an address yet
        return False


def descendants(ancestor: int) -> set[int]:
    """Return the processes that `ancestor` has started, directly or not, but not the `ps` that lists them."""
    listed = subprocess.run(["ps", "-ax", "-o", "pid=,ppid=,comm="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    parents = {int(pid): int(parent) for pid, parent, name in rows if name != "ps"}
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in found | {ancestor}} - found:
        found |= more
    return found
