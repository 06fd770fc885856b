"""Is Postgres there, new enough, migrated, on time, and does it give enough connections?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.cli.doctor.finding import Finding, fail, ok, warn
from app.cli.doctor.session import check_pooler, check_session
from app.connections import session_settings
from app.errors import LedgerAway
from app.ledger.repairs import clock
from app.ledger.server import Server, in_force, missing_rights, needed_version, present_version, server, shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Engine

    from app.config import Settings

OLDEST = 16
TOLERABLE_OFFSET_S = 0.5
PROMOTER = SWEEPER = HOUSEKEEPING = 1
WORKER = 3


def check_postgres(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """All about Postgres; one finding when it is away."""
    try:
        found = server(engine)
    except LedgerAway as away:
        yield fail("postgres", f"does not answer ({_reason(away)})", "Start it, or correct DATABASE_URL.")
        return
    yield check_version(found)
    yield check_schema(present_version(engine), needed_version())
    yield check_rights(missing_rights(engine))
    yield check_clock(clock_offset_s(engine))
    asked, is_shared = session_settings(settings), shared(engine)
    yield check_pooler(shared=is_shared)
    yield check_session(asked, in_force(engine, asked))
    yield check_connections(found, settings, shared=is_shared)


def check_version(found: Server) -> Finding:
    """New enough?"""
    if found.version < OLDEST:
        return fail("postgres", f"version {found.version}", f"Upgrade: {OLDEST} is the oldest that is tested.")
    return ok("postgres", f"version {found.version}")


def check_schema(present: str | None, needed: str) -> Finding:
    """Have all migrations been run, and none that this release does not know?"""
    if present is None or present < needed:
        return fail("schema", f"at {present or 'nothing'}, the code needs {needed}", "Run `alembic upgrade head`.")
    if present > needed:
        return warn("schema", f"at {present}, newer than this code ({needed})", "Deploy the newer release everywhere.")
    return ok("schema", f"at {present}, the newest")


def check_rights(missing: Sequence[str]) -> Finding:
    """May this role do all that the processes need?"""
    if missing:
        return fail("rights", f"this role lacks {', '.join(missing)}", "Run docs/postgres-role.sql as the owner.")
    return ok("rights", "this role may do what the processes need")


def check_clock(offset_s: float) -> Finding:
    """Does Postgres agree with this machine on what time it is? It decides; promoters correct for the offset."""
    said = f"Postgres is {abs(offset_s) * 1000:.0f} ms {'ahead of' if offset_s >= 0 else 'behind'} this machine"
    if abs(offset_s) > TOLERABLE_OFFSET_S:
        return warn("clock", said, "Keep both on NTP: tasks start by Postgres' clock.")
    return ok("clock", said)


def clock_offset_s(engine: Engine, *, now: Callable[[], float] = time.time) -> float:
    """How far Postgres' clock is ahead of this machine's, the best of three measurements."""
    measured = []
    for _ in range(3):
        before = now()
        theirs = clock(engine).timestamp()
        after = now()
        measured.append((after - before, theirs - (before + after) / 2))
    return min(measured)[1]


def check_connections(found: Server, settings: Settings, *, shared: bool = False) -> Finding:
    """Is there room for one of each process? Through a pooler they share what there is."""
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


def _reason(away: LedgerAway) -> str:
    """The kind of trouble; its text may hold addresses."""
    cause = getattr(away.__cause__, "orig", None) or away.__cause__
    return type(cause).__name__ if cause else "no answer in time"
