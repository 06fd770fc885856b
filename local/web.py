"""Where the API answers on this machine, and the file in which the command line finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.address import is_free, wait_until_free
from local.errors import RunError
from local.private import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PORT = 8000
PORTS_TRIED = 100
LAST_PORT = 65_535
LEAVING_SECONDS = 10.0
RUN_FILE = "run.env"


def web_port(environment: Mapping[str, str], directory: Path) -> int:
    """PORT if it is set, otherwise the first free one from 8000 on."""
    _let_a_killed_run_leave(directory)
    wished = environment.get("PORT")
    if not wished:
        port = next(filter(is_free, range(PORT, PORT + PORTS_TRIED)), None)
        if port is None:
            raise RunError(f"no port from {PORT} to {PORT + PORTS_TRIED - 1} is free: name one, PORT=9000 make run")
        return port
    if not wished.isdecimal() or not 0 < int(wished) <= LAST_PORT:
        raise RunError(f"PORT must be a port number, not {wished!r}")
    if not is_free(int(wished)):
        raise RunError(f"port {wished} is taken: name another, PORT=9000 make run")
    return int(wished)


def write_run_file(directory: Path, told: Mapping[str, str]) -> Path:
    """KEY=value lines for as long as the run lasts; they contain passwords."""
    file = directory / RUN_FILE
    write_private(file, "".join(f"{name}={value}\n" for name, value in told.items()))
    return file


def running_url(directory: Path) -> str:
    """Where the run that holds ``directory`` answers, as far as it has said."""
    return _read(directory).get("BASE_URL", "an address it has yet to choose")


def _let_a_killed_run_leave(directory: Path) -> None:
    """A run file without a run: its processes end by themselves, but may need a moment to give up the port."""
    port = _read(directory).get("BASE_URL", "").rpartition(":")[2]
    if port.isdecimal():
        wait_until_free(int(port), LEAVING_SECONDS)


def _read(directory: Path) -> dict[str, str]:
    try:
        lines = (directory / RUN_FILE).read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)
