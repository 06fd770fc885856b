"""The same work for all: our service, the raw loop, and the peers, each a row with a drain and its lags."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.ours import measure_ours
from benchmarks.peers.comparison import measure_peers
from benchmarks.peers.result import PeerResult
from benchmarks.service import running_service
from benchmarks.tasks import warm_up

if TYPE_CHECKING:
    from benchmarks.measuring import Measuring
    from benchmarks.peers.measures import Extent

LONGEST_PEER_S = 45.0


def side_by_side(measuring: Measuring, loop: PeerResult, extent: Extent, *, until: float) -> list[PeerResult]:
    """`loop` is filled with the limits. No peer is begun that may not end until then, by the monotonic clock."""
    measuring.limit("loop drain")
    ours = PeerResult("Punctual", "Postgres and Redis", {})
    with measuring.told("Punctual, at the work of the peers"), running_service() as service:
        warm_up(service, "bench")
        measure_ours(service, ours)
    peers = measure_peers(None, extent, patience_s=until - LONGEST_PEER_S - time.monotonic())
    return [ours, loop, *sorted(peers, key=_rate, reverse=True)]


def _rate(result: PeerResult) -> float:
    return result.drain.per_s if result.drain else 0.0
