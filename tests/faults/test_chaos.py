"""Everything breaks while tasks run; then every one of them is accounted for."""

from __future__ import annotations

import pytest

from tests.faults.chaos import run_chaos
from tests.faults.plan import Plan


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_promise_holds_while_everything_breaks() -> None:
    """Safety exactly; how soon, generously, for the machine may be slow."""
    plan = Plan(
        seed=20261121,
        tasks=3000,
        faults=33,
        seconds=32,
        calm_s=3,
        drained_within_s=90,
        patience_s=180,
        calm_p99_ms=10_000,
    )
    report = run_chaos(plan)
    assert report.ok, report.screen()
    assert len(report.history.faults) >= 25
    assert len(report.history.tasks) >= 3000
