"""Breaks one thing after another, as the seed decides, and mends it again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING

from tests.faults.history import Struck
from tests.faults.kinds.table import TABLE
from tests.faults.scene import NobodyThere

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.faults.kinds.fault import Fault
    from tests.faults.plan import Plan
    from tests.faults.revival import Platform
    from tests.faults.scene import Scene

TICK_S = 0.03
AGAIN_S = 0.5
# Several processes may be hurt at once; of a server or a way to it, one fault at a time.
MAY_OVERLAP = {"worker", "promoter", "sweeper", "web", "deploy", "queue"}


@dataclass(frozen=True, slots=True)
class Strike:
    """One entry of the timetable: seconds after its beginning, and how long."""

    at: float
    fault: Fault
    lasts_s: float


def timetable(plan: Plan) -> list[Strike]:
    """What strikes when: every kind in turn, in an order and at times that the seed decides."""
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
class Open:
    """A fault that is not mended yet."""

    struck: Struck
    heal: Callable[[], object]


class Nemesis:
    """Runs in the thread that started the servers: Linux would end those with any other thread."""

    def __init__(self, scene: Scene, platform: Platform, say: Callable[[str], object]) -> None:
        self.struck: list[Struck] = []
        self._scene = scene
        self._platform = platform
        self._say = say
        self._heals: list[tuple[float, int, Open]] = []

    def run(self, strikes: Sequence[Strike], *, seconds: float) -> None:
        """Until the timetable is over, and mended."""
        began = time.monotonic()
        waiting = [(each.at, number, each) for number, each in enumerate(strikes)]
        while (spent := time.monotonic() - began) < seconds or waiting:
            while waiting and waiting[0][0] <= spent:
                _, number, strike = heappop(waiting)
                if not self._strike(strike) and spent < seconds:
                    heappush(waiting, (spent + AGAIN_S, number, strike))
            self.idle(TICK_S)
        while self._heals:
            self._mend(heappop(self._heals)[2])

    def idle(self, seconds: float) -> None:
        """Let time pass: mend what is due, start again who ended."""
        while self._heals and self._heals[0][0] <= time.monotonic():
            self._mend(heappop(self._heals)[2])
        self._platform.look()
        time.sleep(seconds)

    def _strike(self, strike: Strike) -> bool:
        """False when there was nobody to strike."""
        fault = strike.fault
        self._mend_group(fault.group)
        began_at = time.time()
        try:
            hit = fault.strike(self._scene, self._platform)
        except NobodyThere:
            return False
        struck = Struck(fault.name, fault.group, began_at, time.time(), fault.cost, hit.pids)
        self.struck.append(struck)
        self._say(f"{fault.name} {hit.pids or ''}")
        if hit.heal is not None:
            mended_at = time.monotonic() + strike.lasts_s
            heappush(self._heals, (mended_at, len(self.struck), Open(struck, hit.heal)))
        return True

    def _mend_group(self, group: str) -> None:
        if group in MAY_OVERLAP:
            return
        for each in [entry for entry in self._heals if entry[2].struck.group == group]:
            self._heals.remove(each)
            self._mend(each[2])
        self._heals.sort(key=lambda entry: entry[:2])

    def _mend(self, opened: Open) -> None:
        opened.heal()
        opened.struck.ended_at = time.time()
