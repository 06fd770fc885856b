"""All limits, and how each is opened and measured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from benchmarks.limits.bare import bare_application
from benchmarks.limits.loop import raw_loop
from benchmarks.limits.servers import Servers
from benchmarks.limits.stores import driven_stores
from benchmarks.peers.result import PeerResult


@dataclass(frozen=True, slots=True)
class Limit:
    """One value, by its key in the measured values."""

    key: str
    name: str
    """The name that is printed after "% of"."""
    what: str
    unit: str


@dataclass(frozen=True, slots=True)
class LimitPart:
    """A limit with servers of its own; what `opened` yields is measured several times."""

    name: str
    opened: Callable[[Servers], AbstractContextManager[Callable[[], dict[str, float]]]]
    limits: tuple[Limit, ...]


STORES = (
    Limit("insert", "raw INSERT", "INSERT of 1,000 rows, one connection", "rows/s"),
    Limit("insert, zadd", "INSERT + ZADD", "the same, and a ZADD of their ids", "rows/s"),
    Limit("zadd", "ZADD", "ZADD of one id", "ids/s"),
    Limit("zadd 1000", "ZADD of 1,000", "ZADD of 1,000 ids", "ids/s"),
    Limit("move", "Lua move", "500 ids from sorted set to list, by a script", "ids/s"),
)
LOOP = (
    Limit("loop drain", "raw loop", "drain of 50,000, until the last start", "tasks/s"),
    Limit("loop burst", "raw loop", "burst of 10,000, first to last start", "s"),
    Limit("loop p50", "raw loop", "lag p50 at 100/s", "ms"),
    Limit("loop p99", "raw loop", "lag p99 at 100/s", "ms"),
)
BARE = (
    Limit("bare", "bare application", "POST, 32 connections, 2 processes", "tasks/s"),
    Limit("bare p99", "bare application", "its p99", "ms"),
)


def limit_parts(loop: PeerResult) -> tuple[LimitPart, ...]:
    """Return all limits, each measured just before the first row that names it.

    `loop` becomes the row of the raw loop among the peers.
    """
    return (
        LimitPart("the stores alone", driven_stores, STORES),
        LimitPart("raw loop, 2 workers", partial(raw_loop, result=loop), LOOP),
        LimitPart("bare application", bare_application, BARE),
    )
