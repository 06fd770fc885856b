"""Measure the peers one after the other; an error of one is shown in its row."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
from redis import RedisError

from benchmarks.peers import measures
from benchmarks.peers.bench import Bench
from benchmarks.peers.installed import ENVIRONMENTS, NotInstalledError, installed
from benchmarks.peers.measures import WHOLE, Extent
from benchmarks.peers.peer import Peer, read_peers
from benchmarks.peers.result import PeerResult
from benchmarks.peers.scene import PeerError
from benchmarks.peers.stores import Store, fresh_stores

NOTICED_S = 5.0


def measure_peers(
    names: Sequence[str] | None = None,
    extent: Extent = WHOLE,
    *,
    patience_s: float = math.inf,
    say: Callable[[str], object] = print,
) -> list[PeerResult]:
    """Install what is missing, and measure each peer alone; none is begun after `patience_s`, installing not counted.

    To be called from the main thread: Linux ends the processes with the thread that started them.
    """
    peers, began = read_peers(names), time.monotonic()
    homes = {peer.name: _home(peer) for peer in peers}
    if (took_s := time.monotonic() - began) > NOTICED_S:
        say(f"installing them took {took_s:.0f} s, the first time only")
    until, results = time.monotonic() + patience_s, []
    with fresh_stores(peers) as stores:
        for peer in peers:
            begun = time.monotonic()
            if begun > until:
                results.append(PeerResult(peer.title, peer.store, peer.versions(), skipped="no time was left for it"))
                continue
            results.append(_measured(peer, homes[peer.name], stores[peer.name], extent, say))
            say(f"  {time.monotonic() - begun:.0f} s")
    return results


def _home(peer: Peer) -> Path | str:
    """Return the folder of its environment, or the reason why there is none."""
    try:
        return installed(peer)
    except (NotInstalledError, OSError) as reason:
        return str(reason)


def _measured(peer: Peer, home: Path | str, store: Store, extent: Extent, say: Callable[[str], object]) -> PeerResult:
    result = PeerResult(peer.title, peer.store, peer.versions())
    if isinstance(home, str):
        result.skipped = home
        return result
    log = ENVIRONMENTS / f"{peer.name}.log"
    log.write_bytes(b"")
    with tempfile.TemporaryDirectory(prefix="punctual-peer-") as folder:
        bench = Bench(peer, home, store, Path(folder), log)
        try:
            _measure(bench, result, extent, say)
        except (PeerError, OSError, psycopg.Error, RedisError) as failure:
            # Foreign messages hold addresses and paths; the result may be kept in the repository.
            result.skipped = f"stopped: {failure if isinstance(failure, PeerError) else type(failure).__name__}"
            say(f"{peer.title}: {failure}; the end of {log.name}:\n{_end_of(log)}")
    return result


def _measure(bench: Bench, result: PeerResult, extent: Extent, say: Callable[[str], object]) -> None:
    say(f"… {bench.peer.title}: create")
    measures.set_up(bench)
    measures.create_and_keep(bench, result, extent)
    say(f"… {bench.peer.title}: lag, drain")
    measures.drain_and_lag(bench, result, extent)
    if extent.kill:
        say(f"… {bench.peer.title}: kill")
        measures.kill(bench, result, extent)


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
