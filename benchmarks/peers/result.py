"""The results of a peer, computed from the starts of its tasks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from benchmarks.result import distribution

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

Starts = dict[int, list[int]]
"""When each task began, each time; nanoseconds since 1970."""


@dataclass(frozen=True)
class Drain:
    """Tasks due at one instant, created before."""

    tasks: int
    per_s: float
    """Tasks that began / (last first start - due)."""
    first_ms: float
    """First start - due; negative is early."""
    early: int
    doubled: int
    missing: int
    curve: tuple[float, ...] = field(default=(), compare=False)
    """A reduced sample of seconds from the instant to the starts."""

    @classmethod
    def of(cls, starts: Starts, *, numbers: Collection[int], due_ns: int) -> Self:
        """Compute it from the starts of these tasks, all due at `due_ns`."""
        firsts = [times[0] for times in starts.values()]
        last_s = (max(firsts, default=due_ns) - due_ns) / NS_PER_S
        return cls(
            tasks=len(numbers),
            per_s=len(firsts) / last_s if last_s > 0 else math.inf if firsts else 0.0,
            first_ms=(min(firsts) - due_ns) / NS_PER_MS if firsts else math.nan,
            early=sum(first < due_ns for first in firsts),
            doubled=_doubled(starts),
            missing=len(numbers) - len(starts),
            curve=distribution((first - due_ns) / NS_PER_S for first in firsts),
        )


@dataclass(frozen=True)
class Lag:
    """First start - due of tasks at random instants, in ms; negative is early."""

    tasks: int
    p50: float
    p95: float
    p99: float
    worst: float
    early: int
    earliest: float
    doubled: int
    missing: int
    curve: tuple[float, ...] = field(default=(), compare=False)
    """A reduced sample of the lags."""

    @classmethod
    def of(cls, starts: Starts, *, due_ns: Mapping[int, int]) -> Self:
        """Compute it from the starts of these tasks and their due instants."""
        lags = sorted((times[0] - due_ns[number]) / NS_PER_MS for number, times in starts.items())
        return cls(
            tasks=len(due_ns),
            p50=quantile(lags, 0.5),
            p95=quantile(lags, 0.95),
            p99=quantile(lags, 0.99),
            worst=lags[-1] if lags else math.nan,
            early=sum(lag < 0 for lag in lags),
            earliest=lags[0] if lags else math.nan,
            doubled=_doubled(starts),
            missing=len(due_ns) - len(lags),
            curve=distribution(lags),
        )


@dataclass(frozen=True)
class Kill:
    """All workers killed in mid-drain and started again at once."""

    tasks: int
    begun_at_kill: int
    open: int
    """The number of tasks that are not completed some seconds after the restart."""
    doubled: int
    after_s: float

    @classmethod
    def of(cls, starts: Starts, ended: set[int], *, numbers: range, begun_at_kill: int, after_s: float) -> Self:
        """Compute it from the starts and ends of these tasks, before and after the kill."""
        return cls(len(numbers), begun_at_kill, len(numbers) - len(ended), _doubled(starts), after_s)


@dataclass
class PeerResult:
    """One row of the comparison; what was not measured stays empty, `skipped` says why."""

    peer: str
    store: str
    versions: dict[str, str]
    drains: list[Drain] = field(default_factory=list)
    lag: Lag | None = None
    creates_per_s: list[float] = field(default_factory=list)
    """One call per task, one process; several rounds."""
    bulk_creates_per_s: list[float] = field(default_factory=list)
    """1,000 tasks per call; empty where the peer has no such call."""
    bytes_per_task: float | None = None
    kill: Kill | None = None
    skipped: str | None = None

    @property
    def drain(self) -> Drain | None:
        """The run with the median rate."""
        return sorted(self.drains, key=lambda run: run.per_s)[len(self.drains) // 2] if self.drains else None

    @property
    def create_per_s(self) -> float | None:
        """Median of the rounds."""
        return statistics.median(self.creates_per_s) if self.creates_per_s else None

    @property
    def bulk_create_per_s(self) -> float | None:
        """Median of the rounds."""
        return statistics.median(self.bulk_creates_per_s) if self.bulk_creates_per_s else None

    def as_dict(self) -> dict[str, Any]:
        """Return the values for JSON, which has no NaN: medians beside all rounds."""
        medians = {"create_per_s": self.create_per_s, "bulk_create_per_s": self.bulk_create_per_s}
        drain = {"drain": asdict(self.drain) if self.drain else None}
        whole: dict[str, Any] = _without_nan(asdict(self) | drain | medians)
        for each in whole["drains"]:  # the curve of the median run is enough
            del each["curve"]
        return whole


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share does not exceed; NaN if there are none."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else math.nan


def _doubled(starts: Starts) -> int:
    return sum(len(times) > 1 for times in starts.values())


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
