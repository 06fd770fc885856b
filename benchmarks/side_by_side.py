"""The same work for all: our service, the raw loop, and the peers, each a row with a drain and its lags."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.measuring import told
from benchmarks.ours import measure_ours
from benchmarks.peers.comparison import measure_peers
from benchmarks.service import running_service
from benchmarks.tasks import warm_up

if TYPE_CHECKING:
    from benchmarks.peers.measures import Extent
    from benchmarks.peers.result import PeerResult

LONGEST_PEER_S = 45.0


def side_by_side(loop: PeerResult, extent: Extent, *, until: float) -> list[PeerResult]:
    """`loop` was measured among the limits. No peer is begun that may not end until then, by the monotonic clock."""
    with told("Punctual, at the work of the peers"), running_service() as service:
        warm_up(service, "bench")
        ours = measure_ours(service)
    peers = measure_peers(None, extent, patience_s=until - LONGEST_PEER_S - time.monotonic())
    return [ours, loop, *sorted(peers, key=_rate, reverse=True)]


def _rate(result: PeerResult) -> float:
    return result.drain.per_s if result.drain else 0.0
