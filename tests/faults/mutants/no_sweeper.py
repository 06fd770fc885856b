"""Nothing is repaired."""

from __future__ import annotations

from tests.faults.mutants.seeding import swap
from workers.sweeper import Sweeper


def seed() -> None:
    """The sweeper does nothing."""
    swap(Sweeper, "step", lambda _: False)
