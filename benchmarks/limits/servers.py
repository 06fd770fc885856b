"""Fresh servers for a limit, as durable as those of the service, and processes that use them."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from redis import Redis

from benchmarks.records import RECORDS
from local.server import CHILD
from local.stores import open_stores

TOP = Path(__file__).resolve().parents[2]
DATABASE, REDIS = "DATABASE_URL", "REDIS_URL"
STOP_S = 10.0


@dataclass(frozen=True)
class Servers:
    """Their addresses, and a folder that is deleted with them."""

    database_url: str
    redis_url: str
    folder: Path

    @property
    def records(self) -> Path:
        """The folder with the records of tasks."""
        return self.folder / "records"

    @contextmanager
    def postgres(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """Open a connection in autocommit mode."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            yield connection

    @contextmanager
    def redis(self) -> Iterator[Redis]:
        client = Redis.from_url(self.redis_url)
        yield client
        client.close()

    @contextmanager
    def running(self, *commands: str, environment: Mapping[str, str] | None = None) -> Iterator[None]:
        """Run processes that know both servers and find Python's commands; they are killed at the end."""
        variables = os.environ | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            DATABASE: self.database_url,
            REDIS: self.redis_url,
            RECORDS: str(self.records),
            **(environment or {}),
        }
        with (self.folder / "log").open("ab") as log:
            started = [_start(shlex.split(each), variables, log.fileno()) for each in commands]
        try:
            yield
        finally:
            for each in started:
                _end(each)


@contextmanager
def fresh_servers() -> Iterator[Servers]:
    """Run a fresh Postgres and a fresh Valkey."""
    with (
        tempfile.TemporaryDirectory(prefix="punctual-limit-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may run as another user
        stores = open_stores({}, folder, stack, print)
        servers = Servers(stores[DATABASE], stores[REDIS], folder)
        servers.records.mkdir()
        yield servers


def _start(command: Sequence[str], environment: Mapping[str, str], log: int) -> subprocess.Popen[bytes]:
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    starter = [sys.executable, "-I", "-S", str(CHILD), str(os.getpid()), str(int(signal.SIGTERM)), "-"]
    return subprocess.Popen(
        [*starter, program, *command[1:]], cwd=TOP, env=dict(environment),
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    deadline = time.monotonic() + STOP_S
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()
