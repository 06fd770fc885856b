"""Measure the CPU time of each process of a service."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conditions import wait_until
from tests.acceptance.processes import descendants

if TYPE_CHECKING:
    from tests.acceptance.service import Service

TIMEOUT_S = 30.0


def busy_shares(service: Service, seconds: float) -> dict[str, float]:
    """Return the share of one core that each process and its children used during this time."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("CPU time is read from /proc")
    before = {each.name: cpu_s(each.pid) for each in service.processes.values()}
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > seconds, seconds + TIMEOUT_S, "the time is over")
    took_s = time.monotonic() - began
    return {each.name: (cpu_s(each.pid) - before[each.name]) / took_s for each in service.processes.values()}


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and its descendants have used."""
    ticks = 0
    for each in (pid, *descendants(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
