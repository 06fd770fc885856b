"""The description of a kind of fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.scene import Hit, Scene

if TYPE_CHECKING:
    from tests.faults.history import Cost
    from tests.faults.revival import Platform

Inject = Callable[[Scene, "Platform"], Hit]
MOMENT = (0.5, 2.5)
UNTIL_DEAD = (9.0, 11.0)
SHORT = (0.1, 0.4)
INSTANT = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """A function that injects the fault, its minimum and maximum duration, and the attempts that it may cost.

    `group` is what the fault affects. Only one fault of a group is active at a time, except for groups of processes.
    `cost` is `nothing`, `kill` (attempts on the affected processes) or `outage` (attempts on workers that could not
    reach Postgres for long enough: the affected ones, or all). Outside workers are not covered: their results are
    refused only after the end of their lease.
    """

    name: str
    group: str
    inject: Inject
    lasts_s: tuple[float, float]
    cost: Cost
    effect: str
