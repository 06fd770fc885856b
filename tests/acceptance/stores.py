"""Servers for services: one Postgres with a database for each service, and a Valkey for each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import psycopg

from local import postgres, valkey
from local.procfile import RELEASE, read_procfile
from tests import pgbouncer
from tests.acceptance.processes import ROOT, descendants
from tests.restricted import acl_line, restrict

if TYPE_CHECKING:
    from local.server import Server

TEMPLATE = "released"


class Stores:
    """Runs the migrations once, by the release command of the Procfile; each database is a copy of the result.

    All URLs are those of the owner, with all permissions; `tests.restricted` derives the URLs of the processes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count(1)
        self.postgres: Server = postgres.start(directory / "postgres", fast=True)

    def __enter__(self) -> Self:
        self._execute(f"CREATE DATABASE {TEMPLATE}")
        release(self._url(TEMPLATE))
        restrict(self._url(TEMPLATE))
        return self

    def __exit__(self, *_: object) -> None:
        self.postgres.discard()

    def new_database(self) -> str:
        """Create an empty database at the head of the migrations; return its URL."""
        name = f"service_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self._url(name)

    def unreleased_database(self) -> str:
        """Create a database without tables; return its URL."""
        name = f"unreleased_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def new_pgbouncer(self) -> Server:
        """Start a PgBouncer in front of all databases."""
        return pgbouncer.start(self._directory / f"pgbouncer-{next(self._numbers)}", self.postgres.url)

    def new_valkey(self) -> Server:
        """Start an empty Valkey; its `restart` empties it."""
        return valkey.start(self._directory / f"valkey-{next(self._numbers)}", fast=True, more=[acl_line()])

    def _url(self, database: str) -> str:
        return urlsplit(self.postgres.url)._replace(path=f"/{database}").geturl()

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(statement.encode())


def freeze(server: Server) -> None:
    """Stop a server as if its machine hung: its connections stay open, but nothing replies."""
    for pid in (server.pid, *descendants(server.pid)):
        os.kill(pid, signal.SIGSTOP)


def thaw(server: Server) -> None:
    """Continue a frozen server."""
    for pid in (server.pid, *descendants(server.pid)):
        os.kill(pid, signal.SIGCONT)


def release(database_url: str) -> None:
    """Run the release command of the Procfile."""
    command = read_procfile(ROOT / "Procfile")[RELEASE]
    urls = {"DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:9/0"}  # not used by the release
    environment = with_venv_first(os.environ | urls)
    done = subprocess.run(f"exec {command}", shell=True, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def with_venv_first(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment with the virtual environment's commands first in PATH, as the Procfile needs."""
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    return environment | {"PATH": path}
