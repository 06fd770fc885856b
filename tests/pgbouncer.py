"""PgBouncer in front of a test's Postgres, configured as in docs/pgbouncer.ini but with four connections."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from local.files import write_private
from local.place import change_owner, data_folder, server_user
from local.server import Program, Server

DOCUMENTED = Path(__file__).parents[1] / "docs" / "pgbouncer.ini"
CONNECTIONS = 4
EXTRA_PATH = os.pathsep.join(["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"])
PASSWORDS = "SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL"


def executable() -> Path:
    """Return the path of the executable. Without it the test is skipped, or fails in CI, which installs it."""
    path = shutil.which("pgbouncer") or shutil.which("pgbouncer", path=EXTRA_PATH)
    if path:
        return Path(path)
    if os.environ.get("CI"):
        pytest.fail("pgbouncer is not installed, though .ci/run should have done so")
    pytest.skip("pgbouncer is not installed; `apt-get install pgbouncer` or `brew install pgbouncer` brings it")


def start(directory: Path, postgres_url: str, *, without: str = "") -> Server:
    """Start PgBouncer for all databases of a Postgres and for all roles that have a password by now.

    `without` is the name of a documented setting that is left out.
    """
    pgbouncer = executable()
    directory.mkdir(parents=True, exist_ok=True)
    room = data_folder(directory)
    own = room / "pgbouncer"
    return Server(
        Program(
            name="pgbouncer",
            directory=directory,
            room=room,
            pid_file=own / "pid",
            command=lambda port: [str(pgbouncer), "--quiet", str(_configure(own, postgres_url, port, without))],
            url=lambda port: _at(postgres_url, port),
            answers=_answers,
            stop_signal=signal.SIGINT,  # since 1.23 SIGTERM waits until the last client has left
            prepare=lambda: _prepare(own, postgres_url),
            user=server_user(),
            environment={"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"},
        )
    ).start()


def leads_to(pgbouncer: Server, database_url: str) -> str:
    """Return the URL of the same database through PgBouncer."""
    return _at(database_url, pgbouncer.port)


def clients(pgbouncer: Server, database_url: str) -> int:
    """Return the number of open client connections to this database."""
    console = urlsplit(pgbouncer.url)._replace(path="/pgbouncer").geturl()
    with psycopg.connect(console, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        listed = connection.execute("SHOW CLIENTS")
        column = [each.name for each in listed.description or ()].index("database")
        return sum(1 for row in listed if row[column] == urlsplit(database_url).path.strip("/"))


def _prepare(own: Path, postgres_url: str) -> None:
    """Write the secrets of all roles: PgBouncer checks clients with them and logs in to Postgres."""
    own.mkdir(exist_ok=True)
    change_owner(own, server_user())
    with psycopg.connect(postgres_url) as connection:
        roles = connection.execute(PASSWORDS).fetchall()
    _write(own / "userlist.txt", "".join(f'"{name}" "{secret}"\n' for name, secret in roles))


def _configure(own: Path, postgres_url: str, port: int, without: str) -> Path:
    """Write the documented file with the values of this test."""
    postgres = urlsplit(postgres_url)
    values = {
        "punctual": f"host={postgres.hostname} port={postgres.port}",
        "listen_port": str(port),
        "auth_file": str(own / "userlist.txt"),
        "default_pool_size": str(CONNECTIONS),
    }
    text = _replace_values(DOCUMENTED.read_text(encoding="utf-8"), values).replace("\npunctual = ", "\n* = ")
    text = text.replace(f"\n{without} = ", "\n;") if without else text
    _write(own / "pgbouncer.ini", f"{text}admin_users = {postgres.username}\npidfile = {own / 'pid'}\n")
    return own / "pgbouncer.ini"


def _replace_values(text: str, values: Mapping[str, str]) -> str:
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
