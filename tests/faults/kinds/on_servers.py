"""Faults of Redis and Postgres: wiped, killed, frozen, restarted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.faults.scene import Hit, Scene, family

if TYPE_CHECKING:
    from tests.faults.revival import Platform


def flush_redis(scene: Scene, _platform: Platform) -> Hit:
    """Send FLUSHALL."""
    with scene.service.redis() as redis:
        redis.flushall()
    return Hit()


def kill_redis(scene: Scene, _platform: Platform) -> Hit:
    """Send SIGKILL; the restarted server is empty."""
    valkey = scene.service.valkey
    valkey.process.kill()
    valkey.process.wait()
    return Hit(heal=valkey.restart)


def freeze_redis(scene: Scene, _platform: Platform) -> Hit:
    """Send SIGSTOP: connections stay open, but there are no answers."""
    return Hit(heal=scene.freeze([scene.service.valkey.pid]))


def restart_postgres(scene: Scene, _platform: Platform) -> Hit:
    """Shut Postgres down in immediate mode, which aborts every session, and restart it, which runs recovery."""
    scene.postgres.process.send_signal(signal.SIGQUIT)
    scene.postgres.process.wait()
    return Hit(heal=scene.postgres.restart)


def freeze_postgres(scene: Scene, _platform: Platform) -> Hit:
    """Send SIGSTOP to the postmaster first, so that it starts no session, and then to all sessions."""
    pid = scene.postgres.pid
    thaw_first = scene.freeze([pid])
    thaw_rest = scene.freeze(family(pid)[1:])

    def thaw() -> None:
        thaw_rest()
        thaw_first()

    return Hit(heal=thaw)
