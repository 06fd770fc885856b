"""A service of the benchmarks' own: fresh servers, the processes of the Procfile, in any number."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import requests

from benchmarks.descendants import descendants
from local.ports import free_port
from local.procfile import RELEASE, read_procfile
from local.stores import open_stores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TOP = Path(__file__).resolve().parents[1]
START_S, STOP_S = 60.0, 40.0
POLL_S = 0.02
TYPES = "workers.handlers,benchmarks.handlers"


class Service:
    """Processes by kind; nobody starts them again when they die."""

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
        """So many more processes of each kind; returns when the service is ready."""
        for kind, number in counts.items():
            for _ in range(number):
                self.processes.setdefault(kind, []).append(self._launch(kind))
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready after {START_S:g} s, see {self._folder}")
            time.sleep(POLL_S)

    def signal(self, kind: str, number: signal.Signals) -> None:
        """To all processes of a kind and whatever they started; returns when they are gone."""
        for each in self.processes.pop(kind, []):
            os.killpg(each.pid, number)
            each.wait(STOP_S)

    def stop(self) -> None:
        """SIGTERM to all, and SIGKILL to what is left."""
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
        """All processes of the service and of its servers."""
        return descendants(os.getpid())

    @contextmanager
    def postgres(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """A connection of the owner, for looking on; each statement commits by itself."""
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
    """A service that nobody else uses, its servers fresh; everything is stopped and thrown away afterwards."""
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
