"""The two machines: everything that may happen, and deliveries alone; any rule at any time."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from tests.model.clients import ATTEMPTS, SOON, Clients
from tests.model.processes import Processes
from tests.model.settling import Settling
from tests.model.troubles import Troubles


class Everything(Clients, Processes, Troubles, Settling):
    """Clients, outside workers, our processes, and whatever goes wrong."""


class Deliveries(Processes, Troubles, Settling):
    """Tasks that are due soon, and nobody but the processes that move them: deeper into their races."""

    @initialize(instants=st.lists(SOON, min_size=6, max_size=6), attempts=ATTEMPTS)
    def begin_with_some(self, instants: list[float], attempts: int) -> None:
        self.ask_for("noop", instants, attempts, None)
