"""The harness itself: it detects each of the seeded bugs, and reports nothing for a service without a bug."""

from __future__ import annotations

import pytest

from tests.faults.chaos import run_chaos
from tests.faults.mutants.table import MUTANTS, PLAN, Mutant


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("mutant", MUTANTS, ids=[each.name for each in MUTANTS])
def test_the_harness_detects_the_bug(mutant: Mutant) -> None:
    report = run_chaos(mutant.plan)
    assert mutant.check in {each.name for each in report.broken}, report.screen()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_harness_reports_nothing_without_a_bug() -> None:
    report = run_chaos(PLAN)
    assert report.ok, report.screen()
