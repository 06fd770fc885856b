"""Faults of Redis and Postgres: wiped, killed, frozen, restarted, read-only, and with a clock that is set."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, LiteralString

import psycopg

from tests.acceptance.conditions import wait_until
from tests.faults.scene import Hit, NoTarget, Scene, family
from tests.restricted import ROLE

if TYPE_CHECKING:
    from tests.faults.kinds.fault import Inject
    from tests.faults.revival import Platform

ANSWERS_WITHIN_S = 60.0
END_SESSIONS = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{ROLE}'"


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


def end_idle_sessions(scene: Scene, _platform: Platform) -> Hit:
    """End every idle session of the service, as a timeout, a balancer or a pooler does."""
    _execute(scene, END_SESSIONS + " AND state = 'idle'")
    return Hit()


def make_read_only(scene: Scene, _platform: Platform) -> Hit:
    """End all sessions of the service. New ones are read-only, and stay so when later sessions can write again."""
    _execute(scene, f"ALTER ROLE {ROLE} SET default_transaction_read_only = on")
    _execute(scene, END_SESSIONS)
    return Hit(heal=lambda: _execute(scene, f"ALTER ROLE {ROLE} RESET default_transaction_read_only"))


def _execute(scene: Scene, statement: LiteralString) -> None:
    try:
        with psycopg.connect(scene.service.database_url, autocommit=True) as connection:
            connection.execute(statement)
    except psycopg.OperationalError as unavailable:
        raise NoTarget("Postgres") from unavailable


def freeze_postgres(scene: Scene, _platform: Platform) -> Hit:
    """Send SIGSTOP to the postmaster first, so that it starts no session, and then to all sessions."""
    pid = scene.postgres.pid
    thaw_first = scene.freeze([pid])
    thaw_rest = scene.freeze(family(pid)[1:])

    def thaw() -> None:
        thaw_rest()
        thaw_first()

    return Hit(heal=thaw)


def set_clock(ahead_s: float) -> Inject:
    """Return a fault that sets Postgres' clock ahead of the machine's, and back at its end."""

    def inject(scene: Scene, _platform: Platform) -> Hit:
        if not _is_set(scene, ahead_s):
            raise NoTarget("Postgres")
        return Hit(heal=lambda: wait_until(lambda: _is_set(scene, 0.0), ANSWERS_WITHIN_S, "its clock is right again"))

    return inject


def _is_set(scene: Scene, ahead_s: float) -> bool:
    try:
        scene.clock.set(ahead_s)
    except psycopg.Error:
        return False
    return True
