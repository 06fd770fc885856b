"""A bug: nothing is repaired."""

from __future__ import annotations

from tests.faults.mutants.seeding import swap
from workers.sweeper import Sweeper


def seed() -> None:
    """Make the sweeper's step do nothing."""
    swap(Sweeper, "step", lambda _: False)
