"""Faults of processes: killed, frozen, asked to stop."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from tests.faults.scene import Hit, NobodyThere, Scene, family, send

if TYPE_CHECKING:
    from tests.faults.kinds.fault import Strike
    from tests.faults.revival import Platform


START_S = 5.0
LOOK_EVERY_S = 0.05


def kill(kind: str) -> Strike:
    """SIGKILL to one process of this kind."""

    def strike(scene: Scene, _platform: Platform) -> Hit:
        victim = scene.pick(kind)
        scene.called.add(victim.name)
        if kind == "web":  # its server has children that would go on listening
            os.killpg(victim.pid, signal.SIGKILL)
        victim.kill()
        return Hit((victim.pid,))

    return strike


def freeze(kind: str) -> Strike:
    """SIGSTOP to one process of this kind; of a web server, to all of it; of a worker, not to its children."""

    def strike(scene: Scene, _platform: Platform) -> Hit:
        victim = scene.pick(kind)
        pids = family(victim.pid) if kind == "web" else [victim.pid]
        return Hit((victim.pid,), scene.freeze(pids))

    return strike


def suspend_worker(scene: Scene, _platform: Platform) -> Hit:
    """A worker and its children stop, as with their machine."""
    victim = scene.pick("worker")
    return Hit((victim.pid,), scene.freeze(family(victim.pid)))


def kill_a_child(scene: Scene, _platform: Platform) -> Hit:
    """SIGKILL to a process in which a worker runs tasks, as from a kernel out of memory."""
    victim = scene.pick("worker")
    children = family(victim.pid)[1:]
    if not children:
        raise NobodyThere("child")
    send(scene.random.choice(sorted(children)), signal.SIGKILL)
    return Hit((victim.pid,))


def deploy(scene: Scene, platform: Platform) -> Hit:
    """SIGTERM to everything."""
    living = [each for each in scene.service.processes.values() if each.code is None and each.name not in scene.called]
    for each in living:
        platform.stop(each)
    return Hit()


def skewed_promoter(kind: str) -> Strike:
    """One more promoter, with a wrong clock, for a while, which begins when it has started."""

    def strike(scene: Scene, platform: Platform) -> Hit:
        skewed = scene.service.launch(kind)
        until = time.monotonic() + START_S
        while time.monotonic() < until and not scene.service.has_started(skewed):
            time.sleep(LOOK_EVERY_S)
        return Hit((skewed.pid,), lambda: platform.stop(skewed))

    return strike
