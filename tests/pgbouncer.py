"""PgBouncer in front of a Postgres of the tests: as docs/pgbouncer.ini has it, but with four connections."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from local.files import write_private
from local.place import change_owner, data_folder, server_user
from local.server import Program, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCUMENTED = Path(__file__).parents[1] / "docs" / "pgbouncer.ini"
CONNECTIONS = 4
PLACES = os.pathsep.join(["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"])
WHO = "SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL"


def found() -> Path:
    """The executable. Where it is not installed, the test is skipped; in CI, which installs it, it fails."""
    there = shutil.which("pgbouncer") or shutil.which("pgbouncer", path=PLACES)
    if there:
        return Path(there)
    if os.environ.get("CI"):
        pytest.fail("pgbouncer is not installed, though .ci/run should have done so")
    pytest.skip("pgbouncer is not installed; `apt-get install pgbouncer` or `brew install pgbouncer` brings it")


def start(directory: Path, postgres_url: str) -> Server:
    """Run it for all databases of a Postgres, and all roles that have a password there by now."""
    pgbouncer = found()
    directory.mkdir(parents=True, exist_ok=True)
    room = data_folder(directory)
    own = room / "pgbouncer"
    return Server(
        Program(
            name="pgbouncer",
            directory=directory,
            room=room,
            pid_file=own / "pid",
            command=lambda port: [str(pgbouncer), "--quiet", str(_configure(own, postgres_url, port))],
            url=lambda port: _at(postgres_url, port),
            answers=_answers,
            stop_signal=signal.SIGINT,  # since 1.23 SIGTERM waits until the last client has left
            prepare=lambda: _prepare(own, postgres_url),
            user=server_user(),
            environment={"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"},
        )
    ).start()


def leads_to(pgbouncer: Server, database_url: str) -> str:
    """The same database, through it."""
    return _at(database_url, pgbouncer.port)


def clients(pgbouncer: Server, database_url: str) -> int:
    """How many connections to this database it has accepted, which are open."""
    console = urlsplit(pgbouncer.url)._replace(path="/pgbouncer").geturl()
    with psycopg.connect(console, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        listed = connection.execute("SHOW CLIENTS")
        column = [each.name for each in listed.description or ()].index("database")
        return sum(1 for row in listed if row[column] == urlsplit(database_url).path.strip("/"))


def _prepare(own: Path, postgres_url: str) -> None:
    """The secrets of all roles, by which a client is known and Postgres is told that it is."""
    own.mkdir(exist_ok=True)
    change_owner(own, server_user())
    with psycopg.connect(postgres_url) as connection:
        roles = connection.execute(WHO).fetchall()
    _write(own / "userlist.txt", "".join(f'"{name}" "{secret}"\n' for name, secret in roles))


def _configure(own: Path, postgres_url: str, port: int) -> Path:
    """The documented file, with what is different here."""
    postgres = urlsplit(postgres_url)
    changed = {
        "punctual": f"host={postgres.hostname} port={postgres.port}",
        "listen_port": str(port),
        "auth_file": str(own / "userlist.txt"),
        "default_pool_size": str(CONNECTIONS),
    }
    text = _changed(DOCUMENTED.read_text(encoding="utf-8"), changed).replace("\npunctual = ", "\n* = ")
    _write(own / "pgbouncer.ini", f"{text}admin_users = {postgres.username}\npidfile = {own / 'pid'}\n")
    return own / "pgbouncer.ini"


def _changed(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text, times = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        assert times == 1, f"{DOCUMENTED.name} should set {name} once"
    return text


def _write(file: Path, text: str) -> None:
    write_private(file, text)
    change_owner(file, server_user())


def _at(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}").geturl()


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True
