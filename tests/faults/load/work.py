"""The task of each request, drawn from the seed and the number of the request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.acceptance.client import Json, new_task

TOGETHER_EVERY_S = 4.0
LATEST_S = 4.0
AIM_S = 0.02
# At the usual rate, less than half of the slots are busy, so that a backlog can be worked off.
MAX_SLEEP_S = {"long": 1.7, "threaded": 0.5}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The body of a request; `delete_at` is when to delete its task, or None."""

    body: Json
    delete_at: float | None = None


class Work:
    """Draws requests at random."""

    def __init__(self, seed: int, mix: Mapping[str, float], witness: Path) -> None:
        self._seed = seed
        self._names, self._weights = list(mix), list(mix.values())
        self._witness = str(witness)

    def draw(self, serial: int, now: float) -> Wanted:
        """Draw the request with this number: many tasks share an instant, some are due now, all are due soon."""
        chance = Random(f"{self._seed}.{serial}")
        (what,) = chance.choices(self._names, self._weights)
        payload = {"file": self._witness, "serial": serial}
        if what == "aimed":
            due = now + chance.uniform(0.5, 2.5)
            return Wanted(new_task("brief", payload, execute_at=due), due + chance.gauss(0, AIM_S))
        limits: Json = {}
        if what in MAX_SLEEP_S:
            payload |= {"seconds": round(chance.uniform(0.1, MAX_SLEEP_S[what]), 2)}
        if what in {"brief", "long", "threaded", "hang", "crash"}:
            limits["max_attempts"] = chance.choice((1, 1, 1, 2))
        if what == "outside":
            limits |= {"timeout_s": 1, "max_attempts": chance.choice((1, 1, 3))}
        return Wanted(new_task(what, payload, execute_at=_due(chance, now), **limits))


def _due(chance: Random, now: float) -> float:
    drawn = chance.random()
    if drawn < 0.15:
        return now - 1.0
    if drawn < 0.35:
        return (math.floor(now / TOGETHER_EVERY_S) + 1) * TOGETHER_EVERY_S
    return now + chance.uniform(0.2, LATEST_S)
