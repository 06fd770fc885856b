"""Two kinds of axes: where a value lies between 0 and 1, and which values are written beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
MARKS = 5


class Axis(Protocol):
    """What a chart asks of either."""

    @property
    def title(self) -> str:
        """What it shows, with its unit."""

    def place(self, value: float) -> float:
        """From 0 to 1; what lies outside stands at the edge."""

    def marks(self) -> Sequence[tuple[float, str]]:
        """Places and what is written there."""


@dataclass(frozen=True, slots=True)
class Linear:
    """From 0 to `high`, in steps that are easily read."""

    title: str
    high: float
    say: Callable[[float], str]

    def place(self, value: float) -> float:
        """As far as it is from 0."""
        return min(max(value / self.high, 0.0), 1.0)

    def marks(self) -> list[tuple[float, str]]:
        """At most six."""
        step = step_of(self.high)
        return [(self.place(step * n), self.say(step * n)) for n in range(int(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Log:
    """From one power of ten to another, each as wide as the next."""

    title: str
    low: float
    high: float
    say: Callable[[float], str]

    def place(self, value: float) -> float:
        """As many powers as it is from `low`."""
        if value <= self.low:
            return 0.0
        return min(math.log10(value / self.low) / math.log10(self.high / self.low), 1.0)

    def marks(self) -> list[tuple[float, str]]:
        """Each power."""
        powers = range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)
        return [(self.place(10.0**power), self.say(10.0**power)) for power in powers]


def step_of(high: float) -> float:
    """The smallest nice step that needs at most five marks."""
    power = 10.0 ** math.floor(math.log10(high / MARKS))
    return next(nice * power for nice in NICE if nice * power * MARKS >= high * (1 - 1e-9))


def power_below(value: float) -> float:
    """The power of ten that does not exceed it."""
    return 10.0 ** math.floor(math.log10(value))


def power_above(value: float) -> float:
    """The power of ten that it does not exceed."""
    return 10.0 ** math.ceil(math.log10(value))
