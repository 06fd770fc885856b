"""Checks of Postgres and Redis: reachable, new enough, migrated, on time, with enough rights and connections."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from app.broker.contents import probe_write
from app.cli.doctor.finding import Finding, fail, ok, warn
from app.clock import measure_offset_s
from app.config import Settings
from app.errors import LedgerReadOnly, LedgerUnavailable, TablesMissing
from app.ledger.calls import is_unsuitable, reason
from app.ledger.server import (
    Server,
    check_writes,
    clock,
    in_force,
    missing_rights,
    needed_version,
    present_version,
    server,
    shared,
)
from app.postgres_sessions import OLDEST_POSTGRES, session_settings
from app.reasons import reason_of
from app.redis_pool import is_refusal, name_of

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

OLDEST_REDIS = (6, 2)
TOLERABLE_OFFSET_S = 0.5
DURABLE = ("synchronous_commit", "fsync", "full_page_writes")
IS_REPLICA = "It is a replica: REDIS_URL must name the primary."
REMEDIES = {
    "READONLY": IS_REPLICA,
    "UNBLOCKED": IS_REPLICA,
    "MASTERDOWN": IS_REPLICA,
    "LOADING": "Wait until it has loaded its data.",
    "MISCONF": "It cannot save its data: check its disk.",
    "OOM": "It is full: add memory, or lower SCHEDULE_WINDOW_S.",
    "NOPERM": "Apply the rules of docs/redis-acl.txt to its user again.",
    "NOAUTH": "Correct the user and the password in REDIS_URL.",
    "WRONGPASS": "Correct the user and the password in REDIS_URL.",
    "DENIED": "Correct the user and the password in REDIS_URL.",
    "NOREPLICAS": "It has fewer replicas than its min-replicas-to-write.",
    "BUSY": "A script blocks it: find the application that runs it.",
}
# Connections of one process of each kind.
PROMOTER = SWEEPER = HOUSEKEEPING = 1
WORKER = 3


def check_postgres(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """Run all checks of Postgres. If it is unavailable, there is only one finding."""
    try:
        found = server(engine)
    except LedgerUnavailable as away:
        if is_unsuitable(away):
            yield fail("postgres", reason(away).rstrip("."), "No process starts with it.")
        else:
            yield unreachable("postgres", away, "DATABASE_URL", authority="sslrootcert=/path/to/ca.pem in DATABASE_URL")
        return
    yield check_postgres_version(found)
    yield check_writable(engine)
    yield check_schema(present_version(engine), needed_version())
    yield check_rights(missing_rights(engine))
    yield check_clock(measure_offset_s(partial(clock, engine), time.time))
    asked, is_shared = session_settings(settings), shared(engine)
    yield check_pooler(shared=is_shared)
    yield check_session(asked, in_force(engine, asked))
    yield check_durability(in_force(engine, DURABLE))
    yield check_connections(found, settings, shared=is_shared)


def check_postgres_version(found: Server) -> Finding:
    """Check that the version is supported."""
    if found.version < OLDEST_POSTGRES:
        return fail("postgres", f"version {found.version}", f"Upgrade: {OLDEST_POSTGRES} is the oldest that is tested.")
    return ok("postgres", f"version {found.version}")


def check_writable(engine: Engine) -> Finding:
    """Check that new sessions can write. A failover or an operator may have made the server or the database read-only.

    Raises:
        LedgerUnavailable: Postgres did not answer in time.
    """
    remedy = "Is it a standby, or is default_transaction_read_only set? Processes recover when it can write again."
    try:
        check_writes(engine)
    except LedgerReadOnly:
        return fail("writes", "Postgres is read-only", remedy)
    except TablesMissing:
        return ok("writes", "not tried without a schema")
    return ok("writes", "sessions can write")


def check_durability(found: Mapping[str, str]) -> Finding:
    """Check that a commit is on disk before it is answered."""
    off = [name for name in DURABLE if found.get(name) == "off"]
    if off:
        remedy = "A crash of Postgres may lose tasks that were answered with 201. Turn this on, or accept the loss."
        return warn("durability", f"{', '.join(off)} off", remedy)
    return ok("durability", "commits are on disk before they are answered")


def check_schema(present: str | None, needed: str) -> Finding:
    """Check that all migrations have been run, and none that this release does not know."""
    if present is None or present < needed:
        elsewhere = "" if present else " If it was run: DATABASE_SCHEMA must name the schema of the tables."
        said = f"at {present or 'nothing'}, the code needs {needed}"
        return fail("schema", said, f"Run `alembic upgrade head`.{elsewhere}")
    if present > needed:
        return warn("schema", f"at {present}, newer than this code ({needed})", "Deploy the newer release everywhere.")
    return ok("schema", f"at {present}, the newest")


def check_rights(missing: Sequence[str]) -> Finding:
    """Check that this role may do all that the processes need."""
    if missing:
        return fail("rights", f"this role lacks {', '.join(missing)}", "Run docs/postgres-role.sql as the owner.")
    return ok("rights", "this role may do what the processes need")


def check_clock(offset_s: float) -> Finding:
    """Check that both clocks agree. Postgres' clock decides when tasks start; promoters correct for the offset."""
    said = f"Postgres is {abs(offset_s) * 1000:.0f} ms {'ahead of' if offset_s >= 0 else 'behind'} this machine"
    if abs(offset_s) > TOLERABLE_OFFSET_S:
        return warn("clock", said, "Keep both on NTP: tasks start by Postgres' clock.")
    return ok("clock", said)


def check_session(asked: Mapping[str, str], found: Mapping[str, str]) -> Finding:
    """Check that the requested session settings are in force; a pooler may not have passed them on.

    The remedy is a statement for the operator to run. Any role may change its own settings.
    """
    missing = {name: value for name, value in asked.items() if found.get(name) != value}
    if not missing:
        return ok("session", "limits, time zone and plans are as asked for")
    said = ", ".join(f"{name} is {found.get(name)}, not {value}" for name, value in missing.items())
    wanted = " ".join(f"ALTER ROLE CURRENT_USER SET {name} = '{value}';" for name, value in missing.items())
    return fail("session", said, f"A pooler keeps them to itself. As this role: {wanted} Then have it connect anew.")


def check_pooler(*, shared: bool) -> Finding:
    """Report whether a pooler lends the connection to other clients between transactions."""
    if shared:
        return ok("pooler", "one shares Postgres' connections: nothing is prepared through it")
    return ok("pooler", "none")


def check_connections(found: Server, settings: Settings, *, shared: bool = False) -> Finding:
    """Check that one process of each kind gets its connections; behind a pooler they share them."""
    web, worker = settings.database_pool, WORKER + HOUSEKEEPING
    need = web + PROMOTER + SWEEPER + worker
    each = f" ({web} for web, {worker} for a worker, {PROMOTER} each for promoter and sweeper)"
    said = f"one of each process needs {need} of {found.connections}, {found.open} are open"
    if shared:
        need, each, said = 0, "", f"a pooler shares them; {found.open} of {found.connections} are open"
    if need > found.connections:
        return fail("connections", said + each, "Lower DATABASE_POOL, or raise max_connections.")
    if found.open >= found.connections:
        return warn("connections", said, "All are taken: stop a process, or raise max_connections.")
    return ok("connections", said + each)


def check_redis(redis: Redis) -> Iterator[Finding]:
    """Run all checks of Redis. If it is unavailable, there is only one finding."""
    try:
        found: Any = redis.info()
    except RedisError as trouble:
        yield refused_by_redis(trouble)
        return
    yield check_redis_version(found)
    yield check_eviction(found)
    try:
        probe_write(redis)
    except RedisError as trouble:
        yield refused_by_redis(trouble)


def refused_by_redis(trouble: RedisError) -> Finding:
    """Report an error of Redis: the server's error code if it refuses to work, otherwise why it cannot be used."""
    if is_refusal(trouble):
        name = name_of(trouble)
        return fail("redis", f"refuses to work ({name})", REMEDIES.get(name, "Use a Redis that is not a cluster."))
    return unreachable("redis", trouble, "REDIS_URL", authority="REDIS_TLS_CA=/path/to/ca.pem")


def check_redis_version(found: Mapping[str, Any]) -> Finding:
    """Check that the version is supported. Valkey reports its own and that of the compatible Redis."""
    compatible = str(found.get("redis_version", "0"))
    own = f"Valkey {found['valkey_version']}, like Redis {compatible}" if "valkey_version" in found else compatible
    if tuple(int(part) for part in compatible.split(".")[:2] if part.isdigit()) < OLDEST_REDIS:
        return fail("redis", f"version {own}", "Upgrade to Redis 6.2 or Valkey.")
    return ok("redis", f"version {own}")


def check_eviction(found: Mapping[str, Any]) -> Finding:
    """Check that Redis refuses new keys when it is full, instead of evicting old ones."""
    policy = found.get("maxmemory_policy", "unknown")
    if policy != "noeviction":
        remedy = "`CONFIG SET maxmemory-policy noeviction`, and in its configuration: otherwise tasks start late."
        return fail("eviction", f"maxmemory-policy is {policy}", remedy)
    return ok("eviction", "maxmemory-policy is noeviction")


def unreachable(check: str, trouble: Exception, variable: str, *, authority: str) -> Finding:
    """Return why a server cannot be used, and the remedy. Texts of drivers are not shown: they may quote addresses."""
    reason = reason_of(trouble)
    for words, remedy in (
        ("has expired", "Renew the certificate of the server."),
        ("not valid yet", "Check the clocks of both machines, or renew the certificate of the server."),
        ("for another name", f"Use the name of the certificate in {variable}, or issue one for the name there."),
        ("its certificate", f"Name the certificate of its authority: {authority}."),
        ("trusted certificates", f"Name the certificate of its authority: {authority}."),
        ("TLS", f"Check whether the server offers TLS at this port, and what {variable} asks for."),
        ("user or the password", f"Correct the user or password in {variable}."),
        ("host name", f"Correct the host in {variable}."),
    ):
        if words in reason:
            return fail(check, f"cannot be used: {reason}", remedy)
    return fail(check, f"does not answer ({reason})", f"Start it, or correct {variable}.")
