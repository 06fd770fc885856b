"""Thousands of interleavings of all actions, with crashes between any two steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Deliveries, Everything

if TYPE_CHECKING:
    from tests.model.world import Servers


def in_the_suite(examples: int) -> hypothesis_settings:
    """Return settings that draw the same examples in each run."""
    return hypothesis_settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


MACHINES = {Everything: in_the_suite(100), Deliveries: in_the_suite(110)}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("machine", MACHINES)
def test_the_promises_hold_in_every_interleaving(
    model_servers: Servers, machine: type[Everything | Deliveries]
) -> None:
    machine.servers = model_servers
    name = hypothesis_settings.get_current_profile_name()
    settings = hypothesis_settings.get_profile(name) if name == "long" else MACHINES[machine]
    run_state_machine_as_test(machine, settings=settings)
