"""A process of the Procfile as tests see it: its output, its state, its descendants."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TAIL_LINES = 40


class ServiceProcess:
    """A command in its own session; stdout and stderr each go to a file."""

    def __init__(self, name: str, command: str, environment: Mapping[str, str], directory: Path) -> None:
        self.name = name
        self.kind = name.partition(".")[0]
        self.port = int(environment.get("PORT", "0"))
        self.stdout = directory / f"{name}.stdout"
        self.stderr = directory / f"{name}.stderr"
        self.expected_codes = {0}
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self._process = subprocess.Popen(
                f"exec {command}",
                shell=True,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def code(self) -> int | None:
        """The return code; None while it runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal unless the process has ended."""
        if self.code is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL to this process alone, and wait until it has ended."""
        self.expected_codes = {-signal.SIGKILL}
        self.send(signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float) -> int | None:
        """Wait for the end of the process; return its code, or None if it still runs after this time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def lines(self) -> list[str]:
        """Return the lines of its stdout."""
        return self.stdout.read_text().splitlines()

    def log_lines(self) -> list[str]:
        """Return the lines of its stderr."""
        return self.stderr.read_text().splitlines()

    def logs(self) -> str:
        """Return the end of stdout and stderr for a test report."""
        ends = [self.log_lines()[-TAIL_LINES:], self.lines()[-5:]]
        state = "running" if self.code is None else f"ended with {self.code}"
        return "\n".join([f"-- {self.name} ({state}), stderr", *ends[0], f"-- {self.name}, stdout", *ends[1]])


def pids_with(mark: str) -> set[int]:
    """Return all processes with this text in their environment: those of a service, and their descendants."""
    if not Path("/proc/self/environ").exists():
        listed = subprocess.run(
            ["ps", "-axEww", "-o", "pid=,stat=,command="], capture_output=True, text=True, check=True
        )
        rows = [line.split(None, 2) for line in listed.stdout.splitlines() if mark in line]
        return {int(pid) for pid, state, _ in rows if "Z" not in state} - {os.getpid()}
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _carries(entry, mark)}


def descendants(ancestor: int) -> set[int]:
    """Return all descendants of a process."""
    listed = subprocess.run(["ps", "-ax", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in listed.stdout.splitlines())
    parents = {int(pid): int(parent) for pid, parent in rows}
    family: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in family | {ancestor}} - family:
        family |= more
    return family


def is_alive(pid: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip()[:1] not in {"", "Z"}


def is_run_by(task: Mapping[str, Any], worker: ServiceProcess) -> bool:
    """Return whether this worker has claimed the task: the id of a worker contains its process id."""
    return task["worker_id"] is not None and f".{worker.pid}." in task["worker_id"]


def _carries(entry: Path, mark: str) -> bool:
    try:
        return mark.encode() in (entry / "environ").read_bytes()  # empty for a zombie
    except OSError:
        return False
