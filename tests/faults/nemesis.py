"""Inject faults by a timetable drawn from the seed, and end each after its duration."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING

from tests.faults.history import Struck
from tests.faults.kinds.table import TABLE
from tests.faults.scene import NoTarget

if TYPE_CHECKING:
    from tests.faults.kinds.fault import Fault
    from tests.faults.plan import Plan
    from tests.faults.revival import Platform
    from tests.faults.scene import Scene

TICK_S = 0.03
RETRY_S = 0.5
# Several faults of processes may be active at once, but only one fault of the same server or route.
OVERLAPPING_GROUPS = {"worker", "promoter", "sweeper", "web", "deploy", "queue"}


@dataclass(frozen=True, slots=True)
class Strike:
    """An entry of the timetable: seconds from its start, the fault, and its duration."""

    at: float
    fault: Fault
    lasts_s: float


def timetable(plan: Plan) -> list[Strike]:
    """Draw a timetable: every kind in turn, in an order and at times that depend on the seed."""
    chance = Random(plan.seed)
    names = list(plan.kinds or TABLE)
    drawn: list[str] = []
    while len(drawn) < plan.faults:
        drawn += chance.sample(names, len(names))
    every_s = plan.seconds / max(1, plan.faults)
    strikes = []
    for number, name in enumerate(drawn[: plan.faults]):
        lasts_s = chance.uniform(*TABLE[name].lasts_s)
        strikes.append(Strike((number + chance.uniform(0, 0.9)) * every_s, TABLE[name], lasts_s))
    return strikes


@dataclass(slots=True)
class Active:
    """A fault that has not ended yet."""

    struck: Struck
    heal: Callable[[], object]


class Nemesis:
    """Injects and ends faults. Runs in the thread that started the servers, which end with their thread on Linux."""

    def __init__(self, scene: Scene, platform: Platform, log: Callable[[str], object]) -> None:
        self.struck: list[Struck] = []
        self._scene = scene
        self._platform = platform
        self._log = log
        self._heals: list[tuple[float, int, Active]] = []

    def run(self, strikes: Sequence[Strike], *, seconds: float) -> None:
        """Carry out the timetable, and end all faults."""
        began = time.monotonic()
        waiting = [(each.at, number, each) for number, each in enumerate(strikes)]
        while (spent := time.monotonic() - began) < seconds or waiting:
            while waiting and waiting[0][0] <= spent:
                _, number, strike = heappop(waiting)
                if not self._strike(strike) and spent < seconds:
                    heappush(waiting, (spent + RETRY_S, number, strike))
            self.idle(TICK_S)
        while self._heals:
            self._end(heappop(self._heals)[2])

    def idle(self, seconds: float) -> None:
        """Sleep after ending faults that are due and restarting processes that ended."""
        while self._heals and self._heals[0][0] <= time.monotonic():
            self._end(heappop(self._heals)[2])
        self._platform.step()
        time.sleep(seconds)

    def _strike(self, strike: Strike) -> bool:
        """Inject a fault; return False if there is no target."""
        fault = strike.fault
        self._end_group(fault.group)
        began_at = time.time()
        try:
            hit = fault.inject(self._scene, self._platform)
        except NoTarget:
            return False
        struck = Struck(fault.name, fault.group, began_at, time.time(), fault.cost, hit.pids)
        self.struck.append(struck)
        self._log(f"{fault.name} {hit.pids or ''}")
        if hit.heal is not None:
            ends_at = time.monotonic() + strike.lasts_s
            heappush(self._heals, (ends_at, len(self.struck), Active(struck, hit.heal)))
        return True

    def _end_group(self, group: str) -> None:
        if group in OVERLAPPING_GROUPS:
            return
        for each in [entry for entry in self._heals if entry[2].struck.group == group]:
            self._heals.remove(each)
            self._end(each[2])
        self._heals.sort(key=lambda entry: entry[:2])

    def _end(self, active: Active) -> None:
        active.heal()
        active.struck.ended_at = time.time()
