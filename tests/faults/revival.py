"""What a platform does: whatever ends is started again, whoever does not stop in time is killed."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.processes import ServiceProcess
    from tests.faults.scene import Scene

AFTER_S = (0.2, 1.0)
GRACE_S = 30.0
TEMPORARY = {"fast_promoter", "slow_promoter"}


class Platform:
    """Looks when it is told to."""

    def __init__(self, scene: Scene) -> None:
        self.ended_uncalled: list[str] = []
        self._scene = scene
        self._seen: set[str] = set()
        self._again: list[tuple[float, str]] = []
        self._stopping: dict[str, tuple[float, ServiceProcess]] = {}

    def stop(self, process: ServiceProcess) -> None:
        """Ask it to end; it is killed after the grace."""
        self._scene.called.add(process.name)
        self._stopping[process.name] = time.monotonic() + GRACE_S, process
        if not self._scene.service.has_started(process):
            process.expected_codes |= {-signal.SIGTERM}  # it does not listen yet
        process.send(signal.SIGTERM)

    def look(self) -> None:
        """Notice who ended, start again who has been gone for a while."""
        now, service = time.monotonic(), self._scene.service
        for each in list(service.processes.values()):
            if each.code is not None and each.name not in self._seen:
                self._notice(each, now)
        for due in [each for each in self._again if each[0] <= now]:
            self._again.remove(due)
            service.launch(due[1])
        for name, (until, process) in list(self._stopping.items()):
            if process.code is not None or now > until:
                del self._stopping[name]
                if process.code is None:
                    process.kill()
                    self.ended_uncalled.append(f"{name} was killed: it did not stop within {GRACE_S:g} s")

    def _notice(self, process: ServiceProcess, now: float) -> None:
        self._seen.add(process.name)
        if process.name not in self._scene.called:
            self.ended_uncalled.append(f"{process.name} ended by itself with {process.code}")
        if process.kind not in TEMPORARY:
            self._again.append((now + self._scene.random.uniform(*AFTER_S), process.kind))
