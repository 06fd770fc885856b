"""The machine: its processors, the speed of its Python, and the share of time that other guests of the host took."""

from __future__ import annotations

import os
import platform
import sysconfig
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROCESSORS = Path("/proc/cpuinfo")
OPTIMIZED = "--enable-optimizations"
LOOPS, TRIES = 200_000, 7
TIMES = Path("/proc/stat")
STEAL = 7  # user, nice, system, idle, iowait, irq, softirq, steal: proc_stat(5)


@dataclass(frozen=True, slots=True)
class Machine:
    """What two runs need in common to be compared; the speed of one machine differs from day to day."""

    cores: int
    processor: str
    system: str
    python: str
    optimized: bool
    """Whether Python was configured with optimizations; `loop_ns` also shows those that a packager adds."""
    loop_ns: float
    """Nanoseconds for one turn of a loop that adds numbers, the best of several."""

    def line(self) -> str:
        """Return it in one line."""
        built = "with" if self.optimized else "without"
        return (
            f"{self.cores} cores, {self.processor}, {self.system}; "
            f"Python {self.python}, configured {built} {OPTIMIZED}, {self.loop_ns:.0f} ns a turn of a loop"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def this_machine() -> Machine:
    """Describe this machine."""
    return Machine(
        cores=os.cpu_count() or 1,
        processor=_processor(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        optimized=OPTIMIZED in str(sysconfig.get_config_var("CONFIG_ARGS")),
        loop_ns=_loop_ns(),
    )


def _processor() -> str:
    try:
        lines = PROCESSORS.read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _loop_ns() -> float:
    best = float("inf")
    for _ in range(TRIES):
        began = time.perf_counter()
        total = 0
        for turn in range(LOOPS):
            total += turn
        best = min(best, time.perf_counter() - began)
    return best / LOOPS * 1e9


class Stolen:
    """The share of processor time that was stolen since this object was created."""

    def __init__(self) -> None:
        self._before = _times()

    def share(self) -> float | None:
        """Return the share; None where the kernel does not count it."""
        since = [now - before for now, before in zip(_times(), self._before, strict=True)]
        whole = sum(since)
        return since[STEAL] / whole if len(since) > STEAL and whole else None


def _times() -> list[int]:
    try:
        line = TIMES.read_text().splitlines()[0]
    except OSError:
        return []
    return [int(each) for each in line.split()[1:9]]
