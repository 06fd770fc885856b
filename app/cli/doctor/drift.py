"""Comparison of Postgres and Redis. Tasks that Redis lacks will start late; extra ids in Redis are harmless."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.broker.contents import Contents, began_at
from app.broker.due_set import DueSet, feed_interval_s
from app.cli.doctor.finding import Finding, ok, warn
from app.cli.output import lag
from app.ledger.claims import waiting
from app.ledger.repairs import due_between, page_start
from app.ledger.server import clock
from app.task import Due
from app.task_types import TaskTypes

if TYPE_CHECKING:
    from sqlalchemy import Engine

MAX_COMPARED = 5000
SWEPT_WITHIN_S = 5.0
RECHECK_S = 1.0


def check_drift(
    engine: Engine,
    due_set: DueSet,
    types: TaskTypes,
    *,
    window_s: float,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[Finding]:
    """Report ids that only one of the two has, among the first MAX_COMPARED tasks of each type.

    Raises LedgerUnavailable, RedisError.
    """
    now = clock(engine)
    due, ahead = _lost_and_ahead(engine, due_set, types, now=now, window_s=window_s)
    strays = _strays(engine, due_set, types)
    if ahead or strays:  # a second comparison finds ids that were in transit
        wait(RECHECK_S)
        _, again = _lost_and_ahead(engine, due_set, types, now=now, window_s=window_s)
        ahead, strays = ahead & again, strays & _strays(engine, due_set, types)
    on_schedule, delivered = due_set.sizes(types.names)
    sizes = f"{on_schedule} in the due sets, {delivered} delivered, {len(strays)} orphaned"
    if due:
        yield warn(
            "drift", f"{len(due)} due tasks are unknown to Redis; {sizes}", "Is a sweeper running? It restores them."
        )
    elif ahead:
        message = f"{len(ahead)} tasks due within {lag(window_s * 1000)} are unknown to Redis; {sizes}"
        yield warn(
            "drift", message, "Was Redis unavailable? The sweeper adds them within ten minutes, or when they are due."
        )
    else:
        yield ok("drift", f"Redis knows every task due within {lag(window_s * 1000)}; {sizes}")
    yield _generation(due_set)


def _lost_and_ahead(
    engine: Engine, due_set: DueSet, types: TaskTypes, *, now: datetime, window_s: float
) -> tuple[set[str], set[str]]:
    """Return ids that Redis lacks, of tasks late by more than a sweep and of those due within the last fed window."""
    end = now + timedelta(seconds=window_s - feed_interval_s(window_s))
    tasks: list[Due] = []
    for each in types.delivered:
        tasks += due_between(engine, after=page_start(each.name), until=end, limit=MAX_COMPARED)
    late = [task for task in tasks if task.at < now - timedelta(seconds=SWEPT_WITHIN_S)]
    ahead = [task for task in tasks if task.at > now]
    return _ids(due_set.unknown(late, now=now)), _ids(due_set.unknown(ahead, now=end))


def _strays(engine: Engine, due_set: DueSet, types: TaskTypes) -> set[str]:
    """Return ids in Redis of tasks that are deleted, running or final. A claim refuses them."""
    held = Contents(due_set.redis).members(types.names, limit=MAX_COMPARED)
    return set(held) - _ids(waiting(engine, held))


def _generation(due_set: DueSet) -> Finding:
    began = began_at(due_set.redis)
    if began is None:
        return warn(
            "generation",
            "this Redis is new, or was wiped",
            "Is a sweeper running? It adds all due tasks.",
        )
    return ok(
        "generation", f"the due sets were last rebuilt {lag((datetime.now(UTC) - began).total_seconds() * 1000)} ago"
    )


def _ids(entries: list[Due]) -> set[str]:
    return {each.id for each in entries}
