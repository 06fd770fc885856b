"""The raw loop: a promoter, two workers that take a hundred ids at a time, two statements for each hundred.

No retries, no leases, no rescue, no processes that can be killed: a scheduler that promises nothing.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from benchmarks.limits.servers import Servers
from benchmarks.limits.stores import INSERT, SET, TOGETHER, arguments, make_table, new_ids
from benchmarks.peers.records import count_writers, read_records, starts_of
from benchmarks.peers.result import NS_PER_S, Drain, Lag, PeerResult, Starts
from benchmarks.records import number_of
from benchmarks.result import percentile

WORKERS = 2
DRAIN, BURST = 50_000, 10_000
LAG_S, PER_SECOND = 10, 100
CREATED_PER_S = 20_000
PATIENCE_S, POLL_S = 60.0, 0.05
WARM_TASKS, WARM_ROUNDS = 1000, 20
CLAIMS = "SELECT extract(epoch FROM started_at - execute_at)::float8 * 1000 FROM tasks WHERE id = ANY(%s::uuid[])"
OPEN = "SELECT 1 FROM tasks WHERE state IN ('scheduled', 'running') LIMIT 1"


@contextmanager
def raw_loop(servers: Servers, result: PeerResult) -> Iterator[Callable[[], dict[str, float]]]:
    """Run its three processes until they are warm; `result` becomes its row among the peers."""
    processes = ["promoter", *["worker"] * WORKERS]
    with servers.postgres() as connection:
        make_table(connection)
    with servers.running(*(f"{sys.executable} -m benchmarks.limits.loop_processes {each}" for each in processes)):
        for _ in range(WARM_ROUNDS):
            _drained(servers, WARM_TASKS)
            if count_writers(servers.records) == WORKERS:
                break
        else:
            raise RuntimeError("a worker of the raw loop did nothing")
        yield partial(_measured, servers, result)


def _measured(servers: Servers, result: PeerResult) -> dict[str, float]:
    """Measure a drain of 50,000 and one of 10,000, and the lag at 100 a second.

    The limits are by the instants of the claims, as our rows are. The row among the peers is the drain of 50,000, by
    the tasks' records.
    """
    drain_claims, drain = _drained(servers, DRAIN)
    burst_claims, burst = _drained(servers, BURST)
    claims, lag = _lag(servers)
    for each in (drain, burst, lag):
        if each.missing or each.doubled or each.early:
            raise RuntimeError(f"the raw loop is no limit: {each.missing} missing, {each.doubled} twice")
    result.drains.append(drain)
    result.lag = lag
    return {
        "loop drain": DRAIN / (max(drain_claims) / 1000),
        "loop burst": (max(burst_claims) - min(burst_claims)) / 1000,
        "loop p50": percentile(claims, 0.5),
        "loop p99": percentile(claims, 0.99),
    }


def _drained(servers: Servers, count: int) -> tuple[list[float], Drain]:
    """Return how late each task was claimed, in ms, and the drain by their records."""
    at = time.time() + 1 + count / CREATED_PER_S
    ids = new_ids(count)
    _create(servers, ids, [at] * count)
    starts = _starts(servers, ids, at)
    return _claims_ms(servers, ids), Drain.of(starts, numbers=range(count), due_ns=round(at * NS_PER_S))


def _lag(servers: Servers) -> tuple[list[float], Lag]:
    ids, begin, chance = new_ids(LAG_S * PER_SECOND), time.time() + 1, random.Random(1)
    instants = [begin + chance.uniform(0, LAG_S) for _ in ids]
    _create(servers, ids, instants)
    due_ns = {number_of(each): round(at * NS_PER_S) for each, at in zip(ids, instants, strict=True)}
    starts = _starts(servers, ids, max(instants))
    return _claims_ms(servers, ids), Lag.of(starts, due_ns=due_ns)


def _claims_ms(servers: Servers, ids: Sequence[str]) -> list[float]:
    """Return how late tasks were claimed by the clock of Postgres, as for the rows of the service."""
    with servers.postgres() as connection:
        rows = connection.execute(CLAIMS, [list(ids)]).fetchall()
    return [float(str(late)) for (late,) in rows]


def _create(servers: Servers, ids: Sequence[str], instants: Sequence[float]) -> None:
    """Create tasks as the service does: the rows first, then the ids."""
    with servers.postgres() as connection, servers.redis() as redis:
        for some in _parts(len(ids)):
            connection.execute(INSERT, arguments(ids[some], instants[some]))
            redis.zadd(SET, dict(zip(ids[some], instants[some], strict=True)))
    if time.time() > min(instants):
        raise TimeoutError(f"creating {len(ids)} tasks took too long")


def _starts(servers: Servers, ids: Sequence[str], until: float) -> Starts:
    """Return when each task began, once all have ended."""
    numbers, deadline = {number_of(each) for each in ids}, time.monotonic() + PATIENCE_S
    time.sleep(max(0.0, until - time.time()))
    with servers.postgres() as connection:
        while connection.execute(OPEN).fetchone():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the raw loop was not done after {PATIENCE_S:g} s")
            time.sleep(POLL_S)
    return starts_of(read_records(servers.records), numbers)


def _parts(count: int) -> Iterator[slice]:
    return (slice(at, at + TOGETHER) for at in range(0, count, TOGETHER))
