"""Read the Procfile: the commands of a service, and how many of each `make run` starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from honcho.environ import parse_procfile

from local import RunError

RELEASE = "release"
WORKERS = "2"


def read_procfile(file: Path) -> dict[str, str]:
    """Return the command of each process type, in the order of the file."""
    return dict(parse_procfile(file.read_text()).processes)


def formation(commands: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the commands to keep running by name: WORKERS workers, one of each other type, not the release."""
    workers = environment.get("WORKERS") or WORKERS
    if not workers.isdecimal():
        raise RunError("WORKERS must be a number of processes")
    return {
        f"{name}.{number}": command
        for name, command in commands.items()
        if name != RELEASE
        for number in range(1, (int(workers) if name == "worker" else 1) + 1)
    }
