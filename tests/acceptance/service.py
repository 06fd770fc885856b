"""A whole service for tests: the processes of the Procfile on servers of its own, used over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self
from uuid import uuid4

from redis import Redis

from app.redis_prefix import PrefixingSerializer
from local.ports import free_port
from local.procfile import read_procfile
from tests.acceptance.client import TIMEOUT_S, Client
from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import ROOT, ServiceProcess, pids_with
from tests.acceptance.stores import with_venv_first
from tests.patience import patience
from tests.restricted import as_role, as_user

if TYPE_CHECKING:
    from tests.acceptance.client import Json
    from tests.acceptance.stores import Stores

START_S = 30.0
STOP_S = 35.0
PREFIX = "punctual"
MARK = "PUNCTUAL_TEST_SERVICE"
# Processes that only tests run.
TEST_COMMANDS = {"skewed_promoter": f"{sys.executable} -m tests.acceptance.skewed_promoter 3"}


class Service:
    """Processes by name (`worker.1`), each with files of its output; leaving the context stops all of them."""

    running: ClassVar[list[Service]] = []  # a failed test shows their logs

    def __init__(
        self,
        stores: Stores,
        directory: Path,
        environment: Mapping[str, str],
        *,
        commands: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`commands` replace those of the Procfile by kind; `timeout_s` is the timeout of the client."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.postgres = stores.postgres
        self.valkey = stores.new_valkey()
        self.database_url = stores.new_database()
        self.processes: dict[str, ServiceProcess] = {}
        self.client = Client(lambda: self.urls, timeout_s=timeout_s)
        self.host = "127.0.0.1"  # of the web processes
        self.environment_of: dict[str, dict[str, str]] = {}  # additional variables by kind of process
        self._commands = read_procfile(ROOT / "Procfile") | TEST_COMMANDS | dict(commands or {})
        self._mark = f"{MARK}={uuid4()}"
        mark_name, _, mark_value = self._mark.partition("=")
        self._environment = with_venv_first(os.environ | {"BAR_URL": "http://127.0.0.1:9/"}) | {
            "DATABASE_URL": as_role(self.database_url),
            "REDIS_URL": as_user(self.valkey.url),
            "TASK_MODULES": "workers.handlers,tests.handlers",
            "EXTERNAL_TASK_TYPES": "outside",
            "HOST": "127.0.0.1",
            "TZ": "UTC",
            mark_name: mark_value,
            **environment,
        }
        self.running.append(self)

    @property
    def url(self) -> str:
        """The URL of the first running web process."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """The URL of each running web process."""
        return [f"http://{self.host}:{each.port}" for each in self.living("web")]

    def living(self, kind: str) -> list[ServiceProcess]:
        """Return the running processes of this kind."""
        return [each for each in list(self.processes.values()) if each.kind == kind and each.code is None]

    def start(self, **counts: int) -> Self:
        """Start this number of additional processes of each kind, and wait until they are ready."""
        for kind, number in counts.items():
            for _ in range(number):
                self.launch(kind)
        self._wait_until_ready()
        return self

    def launch(self, kind: str) -> ServiceProcess:
        """Start one process without waiting until it is ready."""
        number = 1 + sum(1 for each in self.processes.values() if each.kind == kind)
        port = {"PORT": str(free_port())} if kind == "web" else {}
        environment = self._environment | self.environment_of.get(kind, {}) | port
        name = f"{kind}.{number}"
        self.processes[name] = ServiceProcess(name, self._commands[kind], environment, self.directory)
        return self.processes[name]

    @contextmanager
    def beside(self, **counts: int) -> Iterator[list[ServiceProcess]]:
        """Run additional processes until the context is left."""
        before = set(self.processes)
        self.start(**counts)
        more = [each for name, each in self.processes.items() if name not in before]
        yield more
        self.terminate(more)

    def terminate(self, processes: list[ServiceProcess], seconds: float = STOP_S) -> None:
        """Send SIGTERM to these processes, and assert that each ends in time with an expected code."""
        for each in processes:
            each.send(signal.SIGTERM)
        deadline = time.monotonic() + patience(seconds)
        for each in processes:
            each.wait(max(0.0, deadline - time.monotonic()))
        codes = {each.name: each.code for each in processes if each.code not in each.expected_codes}
        assert not codes, f"did not end in order within {seconds:g} s: {codes}"

    def has_started(self, process: ServiceProcess) -> bool:
        """Return whether the process has logged its start; web processes do not."""
        kind = process.kind.rpartition("_")[2]  # a `left_worker` is a worker
        return re.search(rf'"{kind}_started"', process.stderr.read_text()) is not None

    def pids(self) -> set[int]:
        """Return all running processes of this service and their descendants."""
        return pids_with(self._mark)

    def lines(self) -> list[str]:
        """Return the stdout of all workers, including those that have ended."""
        return [line for each in self.processes.values() if each.kind == "worker" for line in each.lines()]

    def logged(self, event: str, kind: str) -> list[Json]:
        """Return the log lines of this event from all processes of this kind."""
        lines = (line for each in self.processes.values() if each.kind == kind for line in each.log_lines())
        return [json.loads(line) for line in lines if f'"event": "{event}"' in line]

    @contextmanager
    def redis(self) -> Iterator[Redis]:
        """Open a Redis client with all permissions, which the processes do not have."""
        with Redis.from_url(self.valkey.url, socket_timeout=5) as client:
            yield client

    @contextmanager
    def broker(self) -> Iterator[Redis]:
        """Open the same client, but with keys named without the prefix, as in the processes."""
        packer = PrefixingSerializer(PREFIX)
        with Redis.from_url(self.valkey.url, socket_timeout=5, command_packer=packer) as client:
            yield client

    def wait_until_nothing_is_left(self, seconds: float = 5.0) -> None:
        """Wait until no process of this service and no descendant runs."""
        wait_until(lambda: not self.pids(), seconds, f"no process is left ({self.pids()})")

    def stop(self) -> None:
        """Stop all processes in order; a process that does not stop is killed, and the test fails."""
        try:
            for each in self.processes.values():
                each.send(signal.SIGCONT)
            self.terminate(list(self.processes.values()))
            self.wait_until_nothing_is_left()
            self.running.remove(self)
        finally:
            for each in self.processes.values():
                if each.code is None:
                    each.kill()
            for pid in self.pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.client.close()
            self.valkey.discard()

    def logs(self) -> str:
        """Return the end of the output of each process."""
        return "\n".join(each.logs() for each in self.processes.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_ready(self) -> None:
        for each in list(self.processes.values()):
            if each.code is None:
                wait_until(lambda each=each: self._is_ready(each), START_S, f"{each.name} is ready")  # type: ignore[misc]

    def _is_ready(self, process: ServiceProcess) -> bool:
        assert process.code is None, f"{process.name} ended with {process.code}"
        if process.kind == "web":
            return self.client.is_ready(f"http://{self.host}:{process.port}")
        return self.has_started(process)
