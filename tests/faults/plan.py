"""What a run is to be: how much work, how many faults, of which kinds, over which processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# How often each kind of work, relative to each other.
MIX: Mapping[str, float] = MappingProxyType(
    {
        "brief": 66.0,
        "aimed": 12.0,  # brief, and deleted at the very instant it is due
        "long": 6.0,
        "threaded": 4.0,
        "outside": 4.0,
        "stumble": 4.0,
        "hang": 1.0,
        "crash": 1.5,
        "glutton": 1.0,
    }
)
PROCESSES: Mapping[str, int] = MappingProxyType({"web": 2, "promoter": 2, "worker": 2, "sweeper": 1, "scheduler": 1})
# Workers count as dead soon, so that a run of a minute has many of them.
QUICK: Mapping[str, str] = MappingProxyType({"HEARTBEAT_S": "1", "WORKER_DEAD_AFTER_S": "8"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The same plan strikes the same faults at the same times; what they hit depends on the machine."""

    seed: int
    tasks: int = 10_000
    faults: int = 50
    seconds: float = 60.0
    """How long faults happen; a calm stretch comes before and after."""
    calm_s: float = 8.0
    """The first half of the first stretch does not count: types are new, children are started."""
    kinds: tuple[str, ...] | None = None
    """Names from `kinds.table`; None: all of them."""
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    processes: Mapping[str, int] = field(default_factory=lambda: PROCESSES)
    commands: Mapping[str, str] = field(default_factory=dict)
    """Instead of the Procfile's, by kind of process: `{"sweeper": "python -m somewhere.else"}`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    drained_within_s: float = 30.0
    patience_s: float = 60.0
    """What is not final so long after the last fault counts as lost."""
    calm_p99_ms: float = 1000.0
    """Lateness allowed while nothing is broken."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment of every process."""
        return {**QUICK, **self.environment}

    @property
    def worker_dead_after_s(self) -> float:
        """After which silence a worker counts as dead."""
        return float(self.variables["WORKER_DEAD_AFTER_S"])
