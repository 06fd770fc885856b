"""Start the processes of one peer, and make sure that all of them end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.peer import INSIDE, Peer
from local.server import CHILD
from tests.acceptance.processes import pids_with

INHERITED = ("HOME", "LANG", "TMPDIR", "USER")
END_S = 10.0


class PeerError(RuntimeError):
    """The peer failed; the message says how."""


@dataclass(frozen=True)
class Scene:
    """The folder and environment of the processes of one peer."""

    peer: Peer
    home: Path
    """The peer's environment; they run there."""
    store_url: str
    records: Path
    """The folder to which its tasks write. No other process has this name in its environment."""
    log: Path
    task_s: float = 0.0
    """The duration of a task."""

    def start(self, command: tuple[str, ...], *, piped: bool = False) -> subprocess.Popen[str]:
        """Run a command in a session of its own, with pipes if requested; Linux kills it if this process is killed."""
        environment = self._environment()
        program = shutil.which(command[0], path=environment["PATH"])
        if program is None:
            raise PeerError(f"{command[0]} is not there")
        starter = [sys.executable, "-I", "-S", str(CHILD), str(os.getpid()), str(int(signal.SIGTERM)), "-"]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*starter, program, *command[1:]],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else log,
                stderr=log,
                cwd=self.home,
                env=environment,
                text=True,
                start_new_session=True,
            )

    def end_all(self) -> None:
        """Kill everything started here and its descendants; return when all have ended."""
        deadline = time.monotonic() + END_S
        while pids := pids_with(f"PEER_RECORDS={self.records}"):
            for pid in pids:
                _kill(pid)
            if time.monotonic() > deadline:
                raise PeerError(f"processes that cannot be ended: {sorted(pids)}")
            time.sleep(0.01)

    def _environment(self) -> dict[str, str]:
        """Return an environment with only what the peer needs."""
        own = {key: value.replace("{store}", self.store_url) for key, value in self.peer.environment.items()}
        return {
            **{key: os.environ[key] for key in INHERITED if key in os.environ},
            "PATH": os.pathsep.join([str(self.home / "bin"), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join([str(self.peer.folder), str(INSIDE)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PEER_STORE": self.store_url,
            "PEER_RECORDS": str(self.records),
            "PEER_TASK_S": str(self.task_s),
            **own,
        }


def kill_session(process: subprocess.Popen[str]) -> None:
    """Kill a process that was not waited for, and its descendants."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
