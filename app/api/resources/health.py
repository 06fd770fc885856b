"""Health checks: whether this process lives, and whether it can serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from app import liveness
from app.api import shapes
from app.api.answers import json_answer
from app.api.openapi.operation import Operation
from app.api.openapi.resource import Resource
from app.api.services import services
from app.api.single_flight import Check, ask_all
from app.broker.contents import probe_write
from app.errors import LedgerUnavailable, NotReady
from app.ledger import workers
from app.ledger.calls import reason
from app.ledger.server import check_writes, needed_version, present_version
from app.redis_pool import is_refusal, name_of

if TYPE_CHECKING:
    from flask import Response
    from redis import Redis
    from sqlalchemy import Engine

health = Resource("Health", __name__, "For load balancers and platforms.")

OK = "ok"
LIMIT_S = 2.0
LIVES_S = 60.0
WORKERS = "workers"
UNABLE = "none can run all tasks"


@health.operation(
    "GET",
    "/health",
    Operation(summary="Liveness", scope=None, answers={200: (shapes.Health,)}, needs_ledger=False),
)
def show_health() -> Response:
    """Answer without contacting a server, because a restart of this process would not repair it."""
    return json_answer({"status": "alive"})


@health.operation(
    "GET",
    "/ready",
    Operation(
        summary="Readiness",
        scope=None,
        answers={200: (shapes.Readiness,)},
        refusals=(NotReady,),
        needs_ledger=False,
    ),
)
def show_readiness() -> Response:
    """Check that both servers answer and can write, that all migrations have run and that this process makes progress.

    Otherwise the answer is 503 and names each failed check. A process that is stopping is not ready.
    """
    if services().stopping.is_set():
        raise NotReady(process="is stopping")
    checks = ask_all(services().checks, limit_s=LIMIT_S)
    of_workers = checks.pop(WORKERS, OK)  # only a warning, because requests are served without workers
    culprits = {name: said for name, said in checks.items() if not said.startswith(OK)}
    if stuck := liveness.standstill():
        culprits["process"] = stuck
    if culprits:
        raise NotReady(**culprits)
    warnings = [f"{name}: {said.removeprefix(OK + ', but ')}" for name, said in checks.items() if said != OK]
    if of_workers.startswith(UNABLE):
        warnings.append(f"{WORKERS}: {of_workers}")
    return json_answer({"status": "ready", "checks": dict.fromkeys(checks, OK), "warnings": warnings})


def health_checks(engines: Sequence[Engine], redis: Redis) -> tuple[Check[str], ...]:
    """Return the questions of `/ready`. No server is contacted yet."""
    return (
        Check("postgres", lambda: ask_postgres(engines)),
        Check("redis", lambda: ask_redis(redis)),
        Check(WORKERS, lambda: ask_workers(engines[0])),
    )


def ask_postgres(engines: Sequence[Engine]) -> str:
    """Return `ok`, perhaps with a warning, or the fault of Postgres, its schema, or the sessions of an engine."""
    try:
        present = present_version(engines[0])
        if present is None or present < needed_version():
            return "the schema is behind the code: run the migrations"
        for each in engines:
            check_writes(each)
    except LedgerUnavailable as unavailable:
        return reason(unavailable)
    return OK if present == needed_version() else f"{OK}, but the schema is newer than this code"


def ask_workers(engine: Engine) -> str:
    """Return `ok`, or, if all live workers report that they cannot run all tasks, the first reason."""
    troubles = [each.trouble for each in workers.known(engine) if each.silent_s <= LIVES_S]
    return f"{UNABLE}: {troubles[0]}" if troubles and all(troubles) else OK


def ask_redis(redis: Redis) -> str:
    """Return `ok`, perhaps with a warning, or the error code with which Redis refuses. Other errors are raised."""
    try:
        probe_write(redis)
        memory: Any = redis.info("memory")
    except RedisError as trouble:
        if is_refusal(trouble):
            return f"refuses: {name_of(trouble)}"
        raise
    policy = memory.get("maxmemory_policy", "unknown")
    return OK if policy == "noeviction" else f"{OK}, but maxmemory-policy is {policy}, not noeviction"
