"""The processes that move a peer's due tasks and run them."""

from __future__ import annotations

import subprocess
from typing import Self

from benchmarks.peers.scene import PeerError, Scene, kill_session


class Workers:
    """The running processes; leaving the context kills them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        try:
            for command in self.scene.peer.processes:
                self._running.append(self.scene.start(command))
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Kill all at once, as in the loss of a machine; return when all have ended."""
        for process in self._running:
            kill_session(process)
        for process in self._running:
            process.wait()
        self._running = []
        self.scene.end_all()

    def check(self) -> None:
        """Raise PeerError if one ended by itself."""
        for process, command in zip(self._running, self.scene.peer.processes, strict=True):
            if process.poll() is not None:
                raise PeerError(f"{command[0]} ended by itself with {process.returncode}")
