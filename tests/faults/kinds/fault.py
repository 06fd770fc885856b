"""What a kind of fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.scene import Hit, Scene

if TYPE_CHECKING:
    from tests.faults.history import Cost
    from tests.faults.revival import Platform

Strike = Callable[[Scene, "Platform"], Hit]
MOMENT = (0.5, 2.5)
LONGER_THAN_DEAD = (9.0, 11.0)
SHORT = (0.1, 0.4)
AT_ONCE = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """How it strikes, how long it lasts in seconds, and what it may cost the tasks that workers run meanwhile.

    `group` is whom it concerns, and what excludes each other: of one group one is open at a time, but for processes.
    Cost: `nothing`; `kill`, what the processes that it hit ran; `silence`, what ran on workers that were out of touch
    with Postgres for long enough, those that it hit or all. What outside workers lose is their own affair: they are
    refused only once their lease is over.
    """

    name: str
    group: str
    strike: Strike
    lasts_s: tuple[float, float]
    cost: Cost
    does: str
