"""Other schedulers at the same work, on the same servers, side by side."""

from benchmarks.peers.comparison import measure_peers
from benchmarks.peers.result import PeerResult

__all__ = ["PeerResult", "measure_peers"]
