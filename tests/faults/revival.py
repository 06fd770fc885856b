"""Act as a platform: restart processes that end, and kill those that do not stop in time."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.processes import ServiceProcess
    from tests.faults.scene import Scene

RESTART_AFTER_S = (0.2, 1.0)
GRACE_S = 30.0
TEMPORARY = {"fast_promoter", "slow_promoter"}


class Platform:
    """Restarts and kills processes in `step`."""

    def __init__(self, scene: Scene) -> None:
        self.unexpected_ends: list[str] = []
        self._scene = scene
        self._seen: set[str] = set()
        self._restarts: list[tuple[float, str]] = []
        self._stopping: dict[str, tuple[float, ServiceProcess]] = {}

    def stop(self, process: ServiceProcess) -> None:
        """Send SIGTERM; `step` kills the process after the grace period."""
        self._scene.signalled.add(process.name)
        self._stopping[process.name] = time.monotonic() + GRACE_S, process
        if not self._scene.service.has_started(process):
            process.expected_codes |= {-signal.SIGTERM}  # its signal handler may not be installed yet
        process.send(signal.SIGTERM)

    def step(self) -> None:
        """Record processes that ended, restart those that ended a while ago, kill those that do not stop."""
        now, service = time.monotonic(), self._scene.service
        for each in list(service.processes.values()):
            if each.code is not None and each.name not in self._seen:
                self._notice(each, now)
        for due in [each for each in self._restarts if each[0] <= now]:
            self._restarts.remove(due)
            service.launch(due[1])
        for name, (until, process) in list(self._stopping.items()):
            if process.code is not None or now > until:
                del self._stopping[name]
                if process.code is None:
                    process.kill()
                    self.unexpected_ends.append(f"{name} was killed: it did not stop within {GRACE_S:g} s")

    def _notice(self, process: ServiceProcess, now: float) -> None:
        self._seen.add(process.name)
        if process.name not in self._scene.signalled:
            self.unexpected_ends.append(f"{process.name} ended unexpectedly with {process.code}")
        if process.kind not in TEMPORARY:
            self._restarts.append((now + self._scene.random.uniform(*RESTART_AFTER_S), process.kind))
