"""Faults of the two servers: wiped, killed, frozen, restarted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.faults.scene import Hit, Scene, family

if TYPE_CHECKING:
    from tests.faults.revival import Platform


def flush_redis(scene: Scene, _platform: Platform) -> Hit:
    """FLUSHALL."""
    with scene.service.redis() as redis:
        redis.flushall()
    return Hit()


def kill_redis(scene: Scene, _platform: Platform) -> Hit:
    """SIGKILL; it comes back empty."""
    valkey = scene.service.valkey
    valkey.process.kill()
    valkey.process.wait()
    return Hit(heal=valkey.restart)


def freeze_redis(scene: Scene, _platform: Platform) -> Hit:
    """SIGSTOP: connections stay open, nobody answers."""
    return Hit(heal=scene.freeze([scene.service.valkey.pid]))


def restart_postgres(scene: Scene, _platform: Platform) -> Hit:
    """An immediate shutdown: every session is dropped in the middle of whatever it did; then recovery."""
    scene.postgres.process.send_signal(signal.SIGQUIT)
    scene.postgres.process.wait()
    return Hit(heal=scene.postgres.restart)


def freeze_postgres(scene: Scene, _platform: Platform) -> Hit:
    """SIGSTOP to the postmaster, so that nobody is added, then to all sessions."""
    pid = scene.postgres.pid
    thaw_first = scene.freeze([pid])
    thaw_rest = scene.freeze(family(pid)[1:])

    def thaw() -> None:
        thaw_rest()
        thaw_first()

    return Hit(heal=thaw)
