"""The two state machines: all rules, and the rules of deliveries alone."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from tests.model.clients import ATTEMPTS, SOON, Clients
from tests.model.processes import Processes
from tests.model.settling import Settling
from tests.model.troubles import Troubles


class Everything(Clients, Processes, Troubles, Settling):
    """Clients, outside workers, our processes, and all faults."""


class Deliveries(Processes, Troubles, Settling):
    """Tasks that are due soon, and the processes that deliver and run them; explores their races more deeply."""

    @initialize(instants=st.lists(SOON, min_size=6, max_size=6), attempts=ATTEMPTS)
    def begin_with_some(self, instants: list[float], attempts: int) -> None:
        self.create_tasks("noop", instants, attempts, None)
