"""The state machine itself: with a seeded bug, it finds a broken promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from app.ledger import statements
from tests.model.machine import Deliveries
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from tests.model.world import Servers

UNTIL_IT_FAILS = hypothesis_settings(
    max_examples=300,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
DUE = "AND due_at <= clock_timestamp()"
BUGS = {
    "a claim without a check of the clock": ("claim", DUE, "", "early"),
    "a claim that does not count attempts": ("claim", "attempt = attempt + 1", "attempt = 1", "twice"),
}


def assert_a_run_fails(servers: Servers, message: str) -> None:
    Deliveries.servers = servers
    with pytest.raises(Exception, match=message):
        run_state_machine_as_test(Deliveries, settings=UNTIL_IT_FAILS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", BUGS)
def test_the_machine_detects_a_wrong_statement(
    model_servers: Servers, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    name, right, wrong, message = BUGS[bug]
    original = statements.statement
    assert right in original(name)
    text = original(name).replace(right, wrong)
    monkeypatch.setattr(statements, "statement", lambda each: text if each == name else original(each))
    assert_a_run_fails(model_servers, message)


@pytest.mark.timeout(600)
def test_the_machine_detects_a_missing_rescue(model_servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sweeper, "rescue", lambda _: False)
    assert_a_run_fails(model_servers, "not final after")
