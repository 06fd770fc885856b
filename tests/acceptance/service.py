"""The whole service: the processes of the Procfile over servers of its own, reached over HTTP, and to be broken."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from contextlib import contextmanager, suppress
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
from tests.restricted import as_role, as_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.acceptance.client import Json
    from tests.acceptance.stores import Stores

START_S = 30.0
STOP_S = 35.0
PREFIX = "punctual"
MARK = "PUNCTUAL_TEST_SERVICE"
# Not from the Procfile: what tests run beside it.
BESIDE = {"skewed_promoter": f"{sys.executable} -m tests.acceptance.skewed_promoter 3"}


class Service:
    """Processes by name (`worker.1`), each with files of what it printed; leaving its context stops all of them."""

    running: ClassVar[list[Service]] = []  # whose logs a failing test shows

    def __init__(
        self,
        stores: Stores,
        directory: Path,
        environment: Mapping[str, str],
        *,
        commands: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`commands` replace those of the Procfile, by kind; `timeout_s` is how long its client waits for an answer."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.postgres = stores.postgres
        self.valkey = stores.new_valkey()
        self.database_url = stores.new_database()
        self.processes: dict[str, ServiceProcess] = {}
        self.client = Client(lambda: self.urls, timeout_s=timeout_s)
        self.host = "127.0.0.1"  # where its web processes are
        self.environment_of: dict[str, dict[str, str]] = {}  # variables that only processes of this kind have
        self._commands = read_procfile(ROOT / "Procfile") | BESIDE | dict(commands or {})
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
        """Where the first living web process answers."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """Where each living web process answers."""
        return [f"http://{self.host}:{each.port}" for each in self.living("web")]

    def living(self, kind: str) -> list[ServiceProcess]:
        """The processes of this kind that live."""
        return [each for each in list(self.processes.values()) if each.kind == kind and each.code is None]

    def start(self, **counts: int) -> Self:
        """Start so many processes of each kind, beside those there are; returns when they are ready."""
        for kind, number in counts.items():
            for _ in range(number):
                self.launch(kind)
        self._wait_until_ready()
        return self

    def launch(self, kind: str) -> ServiceProcess:
        """Start one process, and do not wait until it is ready."""
        number = 1 + sum(1 for each in self.processes.values() if each.kind == kind)
        port = {"PORT": str(free_port())} if kind == "web" else {}
        environment = self._environment | self.environment_of.get(kind, {}) | port
        name = f"{kind}.{number}"
        self.processes[name] = ServiceProcess(name, self._commands[kind], environment, self.directory)
        return self.processes[name]

    @contextmanager
    def beside(self, **counts: int) -> Iterator[list[ServiceProcess]]:
        """More processes for a while."""
        before = set(self.processes)
        self.start(**counts)
        more = [each for name, each in self.processes.items() if name not in before]
        yield more
        self.terminate(more)

    def terminate(self, processes: list[ServiceProcess], seconds: float = STOP_S) -> None:
        """SIGTERM to these at once; all end by themselves, with code 0."""
        for each in processes:
            each.send(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        for each in processes:
            each.wait(max(0.0, deadline - time.monotonic()))
        codes = {each.name: each.code for each in processes if each.code not in each.expected_codes}
        assert not codes, f"did not end in order within {seconds:g} s: {codes}"

    def has_started(self, process: ServiceProcess) -> bool:
        """Whether it has said so; web processes never do."""
        kind = process.kind.rpartition("_")[2]  # a `left_worker` is a worker
        return re.search(rf'"{kind}_started"', process.stderr.read_text()) is not None

    def pids(self) -> set[int]:
        """All living processes of this service: ours, and theirs."""
        return pids_with(self._mark)

    def lines(self) -> list[str]:
        """What all workers, dead ones too, printed to stdout."""
        return [line for each in self.processes.values() if each.kind == "worker" for line in each.lines()]

    def logged(self, event: str, kind: str) -> list[Json]:
        """The log lines of this event by all processes of this kind."""
        lines = (line for each in self.processes.values() if each.kind == kind for line in each.log_lines())
        return [json.loads(line) for line in lines if f'"event": "{event}"' in line]

    @contextmanager
    def redis(self) -> Iterator[Redis]:
        """A client of its Valkey that may do anything, for harm: the processes are restricted."""
        with Redis.from_url(self.valkey.url, socket_timeout=5) as client:
            yield client

    @contextmanager
    def broker(self) -> Iterator[Redis]:
        """The same, with keys as the processes name them: without the prefix."""
        packer = PrefixingSerializer(PREFIX)
        with Redis.from_url(self.valkey.url, socket_timeout=5, command_packer=packer) as client:
            yield client

    def wait_until_nothing_is_left(self, seconds: float = 5.0) -> None:
        """No process of this service lives, nor any that one of them started."""
        wait_until(lambda: not self.pids(), seconds, f"no process left ({self.pids()})")

    def stop(self) -> None:
        """Stop everything in order; whatever does not stop is killed, and the test fails."""
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
        """The end of what each process printed."""
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
