"""Faults of processes: killed, frozen, stopped."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.scene import Hit, NoTarget, Scene, family, send

if TYPE_CHECKING:
    from tests.faults.kinds.fault import Inject
    from tests.faults.revival import Platform


START_S = 5.0
POLL_INTERVAL_S = 0.05
FORK_SERVER = b"workers.pool.fork_server"


def kill(kind: str) -> Inject:
    """Send SIGKILL to one process of this kind."""

    def inject(scene: Scene, _platform: Platform) -> Hit:
        victim = scene.pick(kind)
        scene.signalled.add(victim.name)
        if kind == "web":  # children of the web server would continue to listen
            os.killpg(victim.pid, signal.SIGKILL)
        victim.kill()
        return Hit((victim.pid,))

    return inject


def freeze(kind: str) -> Inject:
    """Send SIGSTOP to one process of this kind: with children for a web server, without them for a worker."""

    def inject(scene: Scene, _platform: Platform) -> Hit:
        victim = scene.pick(kind)
        pids = family(victim.pid) if kind == "web" else [victim.pid]
        return Hit((victim.pid,), scene.freeze(pids))

    return inject


def suspend_worker(scene: Scene, _platform: Platform) -> Hit:
    """Send SIGSTOP to a worker and its children, as if their machine was suspended."""
    victim = scene.pick("worker")
    return Hit((victim.pid,), scene.freeze(family(victim.pid)))


def kill_a_child(scene: Scene, _platform: Platform) -> Hit:
    """Send SIGKILL to a process in which a worker runs tasks, as a kernel out of memory does."""
    victim = scene.pick("worker")
    children = family(victim.pid)[1:]
    if not children:
        raise NoTarget("child")
    send(scene.random.choice(sorted(children)), signal.SIGKILL)
    return Hit((victim.pid,))


def fail_forks(scene: Scene, _platform: Platform) -> Hit:
    """Limit the open files of a worker's fork server to those that it has, so that it can start no child."""
    victim = scene.pick("worker")
    servers = [pid for pid in family(victim.pid) if FORK_SERVER in _command(pid)]
    if not servers or sys.platform != "linux":
        raise NoTarget("fork server")
    server = servers[0]
    try:
        _, hard = limits = resource.prlimit(server, resource.RLIMIT_NOFILE)
        resource.prlimit(server, resource.RLIMIT_NOFILE, (len(list(Path(f"/proc/{server}/fd").iterdir())), hard))
    except (ProcessLookupError, FileNotFoundError):  # it has ended with its worker, which another fault has killed
        raise NoTarget("fork server") from None

    def heal() -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(server, resource.RLIMIT_NOFILE, limits)

    return Hit((victim.pid,), heal)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def deploy(scene: Scene, platform: Platform) -> Hit:
    """Send SIGTERM to all processes."""
    living = [
        each for each in scene.service.processes.values() if each.code is None and each.name not in scene.signalled
    ]
    for each in living:
        platform.stop(each)
    return Hit()


def skewed_promoter(kind: str) -> Inject:
    """Run an additional promoter with a wrong clock; the fault lasts from its start on."""

    def inject(scene: Scene, platform: Platform) -> Hit:
        skewed = scene.service.launch(kind)
        until = time.monotonic() + START_S
        while time.monotonic() < until and not scene.service.has_started(skewed):
            time.sleep(POLL_INTERVAL_S)
        return Hit((skewed.pid,), lambda: platform.stop(skewed))

    return inject
