"""Measure the service, the raw loop and the peers with the same work: a row for each, with a drain and lags.

The service is measured as the peers are: by what its tasks record themselves.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from benchmarks.measuring import Measuring
from benchmarks.peers.comparison import measure_peers
from benchmarks.peers.measures import Extent
from benchmarks.peers.records import read_records, starts_of
from benchmarks.peers.result import Drain, Lag, PeerResult
from benchmarks.records import number_of
from benchmarks.service import Service, running_service
from benchmarks.tasks import create, instant, until, wait_until_final, warm_up
from tools.load import post, send_all

MAX_PEER_S = 45.0
TYPE = "bench"
RUNS = 3
DRAIN, CREATED_PER_S = 50_000, 15_000
LAG_S, PER_SECOND = 10, 100
SINGLES, TOGETHER, BATCHES = 400, 1000, 5
FAR_S = 86_400.0
INSTANTS = """
SELECT id::text, (extract(epoch FROM execute_at) * 1000000)::bigint
FROM tasks
WHERE type = %s AND execute_at >= %s AND execute_at < %s
"""


def side_by_side(measuring: Measuring, loop: PeerResult, extent: Extent, *, until: float) -> list[PeerResult]:
    """Measure all; `loop` is filled with the limits. No peer starts that may end after `until` (monotonic clock)."""
    measuring.limit("loop drain")
    punctual = PeerResult("Punctual", "Postgres and Redis", {})
    with measuring.progress("Punctual, at the work of the peers"), running_service() as service:
        warm_up(service, "bench")
        measure_service(service, punctual)
    peers = measure_peers(None, extent, patience_s=until - MAX_PEER_S - time.monotonic())
    return [punctual, loop, *sorted(peers, key=_rate, reverse=True)]


def _rate(result: PeerResult) -> float:
    return result.drain.per_s if result.drain else 0.0


def measure_service(service: Service, result: PeerResult) -> None:
    """Fill the service's row among the peers."""
    result.lag = _lag(service)
    result.drains = [_drain(service) for _ in range(RUNS)]
    result.creates_per_s = [_created_per_s(service) for _ in range(RUNS)]
    result.bulk_creates_per_s = [_created_together_per_s(service) for _ in range(RUNS)]


def _lag(service: Service) -> Lag:
    begin, chance = float(int(time.time()) + 3), random.Random(1)
    create(service, TYPE, _milliseconds(begin + chance.uniform(0, LAG_S) for _ in range(LAG_S * PER_SECOND)))
    due_ns = _due_ns(service, begin, begin + LAG_S)
    return Lag.of(starts_of(read_records(service.records), due_ns), due_ns=due_ns)


def _drain(service: Service) -> Drain:
    at = float(int(time.time() + 2 + DRAIN / CREATED_PER_S))
    create(service, TYPE, [at] * DRAIN)
    due_ns = _due_ns(service, at, at + 0.001)
    starts = starts_of(read_records(service.records), due_ns)
    return Drain.of(starts, numbers=due_ns, due_ns=round(at) * 1_000_000_000)


def _due_ns(service: Service, since: float, before: float) -> dict[int, int]:
    """Return when each task was due, by its number, once all have ended."""
    if time.time() > since:
        raise TimeoutError("creating the tasks took too long")
    until(before)
    wait_until_final(service, before)
    bounds = [datetime.fromtimestamp(each, UTC) for each in (since, before)]
    with service.postgres() as connection:
        rows = connection.execute(INSTANTS, [TYPE, *bounds]).fetchall()
    return {number_of(str(task_id)): int(str(at_us)) * 1000 for task_id, at_us in rows}


def _created_per_s(service: Service) -> float:
    """Measure creation by one request after the other over one connection."""
    body = f'{{"type": "{TYPE}", "execute_at": "{instant(time.time() + FAR_S)}"}}'.encode()
    load = send_all(service.url, iter([post(service.url, "/tasks", body)] * SINGLES), connections=1)
    return load.per_second


def _created_together_per_s(service: Service) -> float:
    """Measure creation of a thousand tasks per request over one connection."""
    load = create(service, TYPE, [time.time() + FAR_S] * TOGETHER * BATCHES, connections=1)
    return TOGETHER * load.per_second


def _milliseconds(instants: Iterable[float]) -> list[float]:
    """Round instants to milliseconds, as those of the peers."""
    return [round(each, 3) for each in instants]
