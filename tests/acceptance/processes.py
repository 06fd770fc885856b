"""One process of the Procfile as a test sees it: what it prints, whether it lives, what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
TAIL_LINES = 40


class ServiceProcess:
    """A command in a session of its own; stdout and stderr go to a file each."""

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
        """None while it lives, then how it ended."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it is gone."""
        if self.code is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """As a machine that loses its memory: SIGKILL, to this process alone."""
        self.expected_codes = {-signal.SIGKILL}
        self.send(signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float) -> int | None:
        """Its exit code; None if it still lives after so long."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def lines(self) -> list[str]:
        """What it printed to stdout."""
        return self.stdout.read_text().splitlines()

    def log_lines(self) -> list[str]:
        """What it printed to stderr."""
        return self.stderr.read_text().splitlines()

    def logs(self) -> str:
        """The end of both, for people."""
        ends = [self.log_lines()[-TAIL_LINES:], self.lines()[-5:]]
        state = "lives" if self.code is None else f"ended with {self.code}"
        return "\n".join([f"-- {self.name} ({state}), stderr", *ends[0], f"-- {self.name}, stdout", *ends[1]])


def pids_with(mark: str) -> set[int]:
    """All living processes with this text in their environment: what a service started, and what that started."""
    if not Path("/proc/self/environ").exists():
        listed = subprocess.run(
            ["ps", "-axEww", "-o", "pid=,stat=,command="], capture_output=True, text=True, check=True
        )
        rows = [line.split(None, 2) for line in listed.stdout.splitlines() if mark in line]
        return {int(pid) for pid, state, _ in rows if "Z" not in state} - {os.getpid()}
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _carries(entry, mark)}


def descendants(ancestor: int) -> set[int]:
    """All living processes that come from this one."""
    listed = subprocess.run(["ps", "-ax", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in listed.stdout.splitlines())
    parents = {int(pid): int(parent) for pid, parent in rows}
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in found | {ancestor}} - found:
        found |= more
    return found


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip()[:1] not in {"", "Z"}


def is_run_by(task: Mapping[str, Any], worker: ServiceProcess) -> bool:
    """Names of workers hold their process id."""
    return task["worker_id"] is not None and f".{worker.pid}." in task["worker_id"]


def _carries(entry: Path, mark: str) -> bool:
    try:
        return mark.encode() in (entry / "environ").read_bytes()  # empty for a zombie
    except OSError:
        return False
