"""Faults of all kinds while tasks run, and the account of every task afterwards."""

from __future__ import annotations

import pytest

from tests.faults.chaos import run_chaos
from tests.faults.plan import Plan


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_promise_holds_under_faults_of_all_kinds() -> None:
    """Safety is checked exactly; limits of time are generous because the machine may be slow."""
    plan = Plan(
        seed=20261121,
        tasks=3000,
        faults=33,
        seconds=32,
        calm_s=3,
        drained_within_s=90,
        timeout_s=180,
        calm_p99_ms=10_000,
    )
    report = run_chaos(plan)
    assert report.ok, report.screen()
    assert len(report.history.faults) >= 25
    assert len(report.history.tasks) >= 3000
