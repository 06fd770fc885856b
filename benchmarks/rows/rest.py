"""What a service costs that has nothing to do."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.made_run import MadeRun
    from benchmarks.service import Service

TICKS = os.sysconf("SC_CLK_TCK")
SETTLE_S, SECONDS = 5.0, 20.0


def idle(service: Service) -> dict[str, float]:
    """CPU of all processes, as a share of one core, and their resident memory, shared pages divided among them."""
    time.sleep(SETTLE_S)
    before, began = _cpu_s(service), time.monotonic()
    time.sleep(SECONDS)
    took_s = time.monotonic() - began
    return {"cpu %": 100 * (_cpu_s(service) - before) / took_s, "memory MB": _resident_mb(service)}


def resident(run: MadeRun) -> dict[str, float]:
    """Memory of all processes that `make run` has started, and nobody has asked for anything."""
    time.sleep(SETTLE_S)
    return {"memory MB": _resident_mb(run)}


def _resident_mb(service: Service | MadeRun) -> float:
    return sum(map(_proportional_kb, service.pids())) / 1024


def _cpu_s(service: Service) -> float:
    ticks = 0
    for pid in service.pids():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # of children that ended, too
    return ticks / TICKS


def _proportional_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
