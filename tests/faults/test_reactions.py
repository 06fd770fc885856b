"""Recovery times after single faults, which `make chaos ARGS=--reactions` measures."""

from __future__ import annotations

import pytest

from tests.faults.reactions import measure
from tests.patience import patience


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_service_recovers_from_a_killed_worker_a_wiped_redis_and_killed_promoters() -> None:
    """The limits are generous for a slow machine, but less than the time of the next slower repair."""
    reactions = measure()
    assert 10 < reactions.worker_killed_s < patience(30), reactions.line()
    assert reactions.flush_s < patience(10), reactions.line()
    assert reactions.promoter_killed_ms < patience(8_000), reactions.line()
