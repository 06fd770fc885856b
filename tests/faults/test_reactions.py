"""How soon the service gets over a fault; `make chaos ARGS=--reactions` measures it."""

from __future__ import annotations

import pytest

from tests.faults.reactions import measure


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_worker_a_wiped_redis_and_killed_promoters_are_soon_got_over() -> None:
    """Generous for a slow machine, but less than what the next slower repair would take."""
    took = measure()
    assert 10 < took.worker_killed_s < 30, took.said()
    assert took.flush_s < 10, took.said()
    assert took.promoter_killed_ms < 8_000, took.said()
