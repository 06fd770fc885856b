"""The plan of a run: its tasks, its faults and its processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# The relative frequency of each kind of work.
MIX: Mapping[str, float] = MappingProxyType(
    {
        "brief": 66.0,
        "aimed": 12.0,  # brief, and deleted at the instant it is due
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
# Workers count as dead soon, so that this happens often in a run of a minute.
QUICK: Mapping[str, str] = MappingProxyType({"HEARTBEAT_S": "1", "WORKER_DEAD_AFTER_S": "8"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A plan. Equal plans inject the same faults at the same times; their effects also depend on the machine."""

    seed: int
    tasks: int = 10_000
    faults: int = 50
    seconds: float = 60.0
    """The duration of the faults; there is an interval without faults before and after."""
    calm_s: float = 8.0
    """The duration of such an interval. The first half of the first one does not count: children are started."""
    kinds: tuple[str, ...] | None = None
    """Names from `kinds.table`; None for all of them."""
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    processes: Mapping[str, int] = field(default_factory=lambda: PROCESSES)
    commands: Mapping[str, str] = field(default_factory=dict)
    """Replacements for commands of the Procfile by kind of process: `{"sweeper": "python -m somewhere.else"}`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    drained_within_s: float = 30.0
    timeout_s: float = 60.0
    """A task that is not final this long after the last fault counts as lost."""
    calm_p99_ms: float = 1000.0
    """The limit of lateness in intervals without faults."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment of every process."""
        return {**QUICK, **self.environment}

    @property
    def worker_dead_after_s(self) -> float:
        """The time without a heartbeat after which a worker counts as dead."""
        return float(self.variables["WORKER_DEAD_AFTER_S"])
