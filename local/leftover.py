"""Ends the server that a killed run left behind."""

import os
import signal
import subprocess
import time
from pathlib import Path

PATIENCE_SECONDS = 15.0
POLL_SECONDS = 0.02


def end_leftover(pid_file: Path, stop_signal: signal.Signals) -> None:
    """End the server named in ``pid_file``; a pid that was given to somebody else since is left alone."""
    pid = _pid_in(pid_file)
    if pid is None:
        return
    if str(pid_file.parent) not in command_line(pid):
        # Gone, or a zombie, or the number was given to somebody else: Postgres refuses to start while anything has it.
        # Children of a killed Postgres are no reason to keep the file: they hold its shared memory, which it checks.
        pid_file.unlink()
        return
    ask(pid, stop_signal)
    patience = time.monotonic() + PATIENCE_SECONDS
    while command_line(pid):
        if time.monotonic() > patience:
            ask(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def ask(pid: int, number: signal.Signals) -> None:
    """Send a signal in a way that a frozen process hears too; one that is gone is fine."""
    for each in (number, signal.SIGCONT):
        try:
            os.kill(pid, each)
        except ProcessLookupError:
            return


def command_line(pid: int) -> str:
    """The arguments a process was started with; empty when it is gone or a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    listed = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    said = listed.stdout.strip()
    return "" if said.startswith("(") or "<defunct>" in said else said


def _pid_in(file: Path) -> int | None:
    try:
        return int(file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None
